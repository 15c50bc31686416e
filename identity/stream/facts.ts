/** What agents and relays have to know of a cluster beside its items. */
export interface ClusterFacts {
  readonly cluster: string;
  /** X.509 certificates, PEM, of the host CA: they sign authorities, relays and agents. */
  readonly hostCas: readonly string[];
  /** Public keys, PEM, that route tickets are verified with. */
  readonly ticketKeys: readonly string[];
  /** Public ports that agents have to reach. */
  readonly relays: readonly RelayFacts[];
  /** Of agents alone. */
  readonly agent?: AgentFacts;
}

export interface RelayFacts {
  readonly host: string;
  /** `host:port`. */
  readonly addresses: readonly string[];
}

export interface AgentFacts {
  /** X.509 certificates, PEM, that sign sessions. */
  readonly userCas: readonly string[];
  /** What digests of redacted values are made with, 64 hex digits. */
  readonly redaction: string;
}
