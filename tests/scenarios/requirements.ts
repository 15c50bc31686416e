/**
 * What the guide promises, one id for each behaviour. A test that proves one names it:
 * `proves: ["guide.role"]`. `requirements_test.ts` sees to it that none is left unproven.
 */
export const requirements = {
  "guide.role": "`tctl create -f role.yaml` stores the guide's role as it is written there",
  "guide.bot": "`tctl bots add` makes a bot and a one-time token; `bots update` gives it a role",
  "guide.tbot": "tbot joins by token and CA pin, and writes `identity`, mode 0600, to a directory",
  "guide.find": "`GET /v1/webapi/find` answers `server_version`",
  "guide.connect": "an MCP client reaches the server through `tsh mcp connect -i … --proxy …`",
  "guide.audit": "joins, sessions and requests are in the audit log",
  "guide.config": "`tsh mcp config` prints an entry that an MCP client can start",
  "guide.ls": "`tsh mcp ls` lists the servers that the identity's roles reach",
  "role.narrow": "a tool that a role takes away disappears from an open session's list",
  "role.refuse": "a call of a tool that the roles do not allow is refused with -32602",
  "cluster.restart": "a cluster that was killed starts again with everything that it knew",
  "cluster.data_dir": "a data directory is for its owner alone, 0700",
  "cluster.offline_tctl": "tctl works on the same host without a login, also when nothing runs",
  "tbot.daemon": "tbot goes on running, and renews its outputs",
  "tbot.tunnel":
    "an MCP client over HTTP reaches an app through tbot, without a credential of its own",
  "tbot.application": "tbot writes an identity that is good for one app alone",
  "bad.role": "a role that cannot be used is refused with file, line and column; nothing is stored",
  "bad.app": "an app that does not exist or is not allowed is refused, and the client is told",
  "bad.identity_missing": "a missing identity file is named, with what to do",
  "bad.identity_truncated": "a truncated identity file is refused",
  "bad.identity_expired": "an expired identity is refused, and its end is named",
  "bad.identity_foreign": "an identity of another cluster is refused",
  "bad.token_used": "a used token lets nobody else join",
  "bad.token_unknown": "an unknown token lets nobody join",
  "bad.token_expired": "an expired token lets nobody join",
  "bad.pin": "tbot joins no cluster whose CA has not the given pin, and sends it no token",
  "bad.proxy": "a proxy that cannot be reached is named",
  "bad.destination": "a destination that cannot be written is named, before the token is used",
  "bad.server_missing": "the client learns at once that the server's command does not exist",
  "bad.server_dies": "the client learns at once that the server ends while it starts",
  "bad.port": "a port in use is named",
  "bad.cluster_config": "a teleport.yaml that cannot be used is refused with line and column",
  "join.id_token": "a CI job or a pod joins by its OIDC token, without a secret, each time anew",
  "join.bound_keypair":
    "a machine joins by a key of its own, recovers by it, and a copy is found out",
  "rotation": "both CAs are replaced under running machines, and what is old is refused at the end",
  "apart.whole":
    "authority, relays and agents run in processes of their own; roles and locks reach each",
  "apart.parts_end": "a relay or an agent that is killed takes nobody else along",
  "apart.authority_away":
    "an agent whose authority is away goes on up to the configured age, and then refuses",
  "lock.targets": "a lock on a role or an app ends its open sessions, with a receipt",
  "tctl.edit": "a resource is changed in an editor, and a lost update is refused",
  "tctl.remote": "tctl -i does from afar what the identity's roles allow, and nothing else",
  "fault.agent":
    "when the agent's process is killed, calls in flight are answered with an error, and the client goes on with the next one",
  "fault.agent_away": "a bridge or tbot that starts while the agent is away says so and ends",
  "fault.server": "when the MCP server is killed, the client is told, and goes on with another one",
  "fault.bridge":
    "when the bridge is killed, the agent ends the MCP server after the configured time",
  "fault.cuts": "cut at any byte, a connection costs no call, and none is made twice",
  "fault.chaos":
    "whatever is killed or stopped, a call that was answered had its effect once, and no other more than once",
  "fault.network":
    "whatever links and machines of a cluster that is apart do, the same holds, and the identity is always good",
  "fault.tbot": "when tbot is killed, its identity still works, and tbot can start again",
  "fault.tctl": "when tctl is killed, the cluster goes on, and what it was told is whole or absent",
  "fault.reaper": "when the reaper is killed, sessions go on, and the next has a reaper again",
  "identity.go_client": "the original's Go client library reads an identity file and can use it",
  "identity.openssl": "openssl and ssh-keygen read the parts of an identity that they understand",
  "apps.demo": "the demo server tells a bot who it is, as far as its roles go",
  "apps.secrets":
    "values from files and commands reach servers, and nothing that the cluster keeps",
  "apps.headers": "a server over HTTP is told who calls, and can verify it by the cluster's keys",
  "apps.forged": "a trait cannot forge a header: the session is refused, and the client told why",
  "apps.labels": "an app has the labels that commands tell, and `tsh mcp ls` says what kind it is",
  "apps.resource": "an app resource is created, served, shown and removed while the cluster runs",
  "policy.explain_id": "the id that a refused client is told leads to the rule that refused it",
  "mcp.approve":
    "a pinned tool that changes is withheld until somebody approves its new definition",
  "gate.attack_kit":
    "no row of the attack kit gets through, and none keeps others from being served",
  "policy.cluster": "policy commands look at the cluster of their host when told to",
  "audit.chain": "what is changed, removed or cut off in the audit log is found at its place",
  "audit.events": "each event that the audit log knows is recorded, with the fields it promises",
  "audit.redact": "redacted values are nowhere in the log, and equal ones stay comparable",
  "audit.crash": "a killed agent leaves an audit log that is whole and goes on",
  "fault.hostile":
    "a slow or hostile peer costs bounded memory, and other sessions are served meanwhile",
  "role.live":
    "role edits, lost roles and locks act on open sessions, and the client is told what and why",
  "fault.leaks": "nothing of an MCP server outlives its session, whichever way that ends",
  "watch.metrics": "health and metrics are served for Prometheus where the configuration says",
  "watch.traces": "each call is a span at an OpenTelemetry collector, without its arguments",
  "fault.orphans": "when the agent is killed, the MCP servers that it started end",
  "gate.transparent": "a client and a server cannot tell that anything is between them",
  "gate.conformance": "what passes the official suite directly passes it through the whole path",
} as const;

export type Requirement = keyof typeof requirements;
