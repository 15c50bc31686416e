/** The cluster as another process than the authority's knows it. */
export { ClusterFollower, type FollowOptions } from "./cluster_follower.ts";
export type { AgentFacts, ClusterFacts, RelayFacts } from "./facts.ts";
export type { AgentQuestion, StreamQuestion, Version } from "./line.ts";
export { RemoteView, type RemoteViewOptions } from "./remote_view.ts";
