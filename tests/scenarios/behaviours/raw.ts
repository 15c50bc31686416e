// What SDKs smooth over: pages, numbers, keys, framing, sizes, ids, shutdown.
import assert from "node:assert/strict";
import type { Behaviour } from "./table.ts";

const MAX = Number.MAX_SAFE_INTEGER;

export const raw: readonly Behaviour[] = [
  {
    what: "lists in pages, by a cursor that only the server understands",
    play: async (session) => {
      await session.initialize();
      for (
        const method of ["tools/list", "resources/list", "resources/templates/list", "prompts/list"]
      ) {
        let cursor: string | undefined;
        let pages = 0;
        do {
          const params = cursor === undefined ? {} : { cursor };
          const { result } = await session.request(`${method}${++pages}`, method, params);
          cursor = result.nextCursor;
        } while (cursor !== undefined);
        assert.equal(pages, 3);
      }
    },
  },
  {
    what: "numbers to their last digit, and keys that some readers trip over",
    play: async (session) => {
      await session.initialize();
      await session.call(1, "numbers");
      await session.call(2, "keys");
      // The server answers with the line that it has read.
      session.raw(
        '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"received","arguments":' +
          '{"a":1.0,"b":1E400,"c":-0,"d":12345678901234567890,"e":0.10,"__proto__":{"x":1},"":[]},' +
          '"_meta":{"x":"y"}}}\n',
      );
      await session.answer(3);
    },
  },
  {
    what: "an error with its data",
    play: async (session) => {
      await session.initialize();
      const { error } = await session.call(1, "fails");
      assert.equal(error.code, -31999);
    },
  },
  {
    what: "a request of the server",
    play: async (session) => {
      await session.initialize();
      const answer = session.call(1, "asks");
      await session.respond("ping", { pong: "é" });
      await answer;
    },
  },
  {
    what: "notices that lists have changed, and log lines of every level",
    play: async (session) => {
      await session.initialize();
      await session.request(1, "logging/setLevel", { level: "debug" });
      await session.call(2, "changes");
      await session.call(3, "logs");
      // Over HTTP, notices and answers travel on streams of their own.
      const notices = () => session.count(({ method }) => /_changed$|message$/.test(method));
      await session.until(() => notices() === 9, "all notices");
    },
  },
  {
    what: "lines that are split, joined, or end with CR and LF, in both directions",
    play: async (session) => {
      await session.initialize();
      for (const name of ["split", "joined", "crlf"]) await session.call(name, name);
      const ping = (id: number) => `{"jsonrpc": "2.0", "id": ${id}, "method": "ping"}`;
      session.raw(`${ping(1)}\r\n${ping(2)}\n${ping(3)}`.slice(0, 90));
      await session.answer(1);
      session.raw(`${ping(1)}\r\n${ping(2)}\n${ping(3)}`.slice(90) + "\r\n");
      await session.answer(3);
    },
  },
  {
    what: "more than ten megabytes in both directions",
    play: async (session) => {
      await session.initialize();
      const size = 11 * 1024 * 1024;
      const { result } = await session.call(1, "measure", { blob: "x".repeat(size) });
      assert.equal(result.content[0].text, `${size}`);
      await session.call(2, "large", { size });
    },
  },
  {
    what: "300 calls at once under ids of every legal kind",
    play: async (session) => {
      await session.initialize();
      const kinds = [
        (n: number) => n,
        (n: number) => -n - 1,
        (n: number) => `${n}`,
        (n: number) => `ü-${n} "\u2028`,
        (n: number) => MAX - n,
        (n: number) => n === 5 ? "" : `\u0000${n}`,
      ];
      const ids = Array.from({ length: 300 }, (_, n) => kinds[n % kinds.length]!(n));
      assert.equal(new Set(ids).size, 300);
      await Promise.all(ids.map((id) => session.call(id, "received", { for: id })));
    },
    anyOrder: true,
  },
];
