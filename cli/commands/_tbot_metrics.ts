/** tbot's metrics in Prometheus' text format, under the original's names. */
import { Counter, Histogram, type Registry } from "prom-client";
import type { Iteration } from "../../identity/bot/mod.ts";

/** Makes a counter of rounds; `typeOf` tells the type of the service of a name. */
export function countIterations(
  registry: Registry,
  typeOf: (name: string) => string,
): (iteration: Iteration) => void {
  const registers = [registry];
  const labelNames = ["service", "name"];
  const total = new Counter({
    name: "tbot_task_iterations_total",
    help: "Rounds of a service: each ends in success, or after its tries",
    labelNames,
    registers,
  });
  const failed = new Counter({
    name: "tbot_task_iterations_failed",
    help: "Rounds that ended without success",
    labelNames,
    registers,
  });
  const successful = new Histogram({
    name: "tbot_task_iterations_successful",
    help: "Tries that a round needed until it succeeded",
    labelNames,
    buckets: [1, 2, 3, 4, 5, 6, 7],
    registers,
  });
  const duration = new Histogram({
    name: "tbot_task_iteration_duration_seconds",
    help: "How long a round took, pauses between its tries included",
    labelNames,
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 120, 240],
    registers,
  });
  return ({ service: name, succeeded, tries, seconds }) => {
    const labels = { service: typeOf(name), name };
    total.inc(labels);
    duration.observe(labels, seconds);
    if (succeeded) successful.observe(labels, tries);
    else failed.inc(labels);
  };
}
