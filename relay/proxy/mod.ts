export {
  type Accept,
  DEFAULT_LISTENER_LIMITS,
  type Listener,
  type ListenerLimits,
  type ListenerOptions,
  startListener,
} from "./listener.ts";
export type { HelloLimits } from "./client_hello.ts";
