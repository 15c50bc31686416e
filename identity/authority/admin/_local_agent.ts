import type { ListedTool } from "../../app.ts";

/** What an agent in this process answers, when there is one. */
export interface LocalAgent {
  /** The tools of an app's server, asked now. */
  listTools(app: string): Promise<readonly ListedTool[]>;
  /** Sessions that are open now. */
  openSessions(): readonly OpenSession[];
}

/** A session as long as it lasts. */
export interface OpenSession {
  readonly id: string;
  readonly bot: string;
  readonly instance: string;
  readonly app: string;
  /** Where its client comes from. */
  readonly address: string;
  readonly started: Date;
  /** It is over; what is left of it is on its way out. */
  readonly ended: boolean;
  /** Resolves when nothing of it is left, its server included. */
  readonly closed: Promise<void>;
}
