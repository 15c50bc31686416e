import { Duplex } from "node:stream";
import type { Buffer } from "node:buffer";

/** Two ends of a connection in memory; closing one closes the other, as a socket does. */
export function duplexPair(): [Duplex, Duplex] {
  const ends: [Duplex, Duplex] = [end(() => ends[1]), end(() => ends[0])];
  return ends;
}

function end(other: () => Duplex): Duplex {
  return new Duplex({
    allowHalfOpen: false,
    read() {},
    write(chunk: Buffer, _encoding, done) {
      const peer = other();
      if (!peer.destroyed) peer.push(chunk);
      done();
    },
    final(done) {
      if (!other().destroyed) other().push(null);
      done();
    },
    destroy(error, done) {
      queueMicrotask(() => other().destroy());
      done(error);
    },
  });
}
