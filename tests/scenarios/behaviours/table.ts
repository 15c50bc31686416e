import type { RecordedSession } from "./session.ts";

export interface Behaviour {
  readonly what: string;
  /** What the client does; anything that it waits for must come on both ways. */
  readonly play: (session: RecordedSession) => Promise<void>;
  /** What is different each time: ids and times that the server makes up. */
  readonly masks?: readonly RegExp[];
  /** Answers that may overtake each other are compared in the order of their ids. */
  readonly anyOrder?: boolean;
}

/** Times of day as servers write them; the last is one within base64. */
export const CLOCKS: readonly RegExp[] = [
  /\d{4}-\d\d-\d\dT[\d:.]+Z/g,
  /\d+:\d\d:\d\d[  ]?(?:[AP]M)?/g,
  /(?<="blob":"UmVzb3VyY2Ug)[^"]+/g,
];
