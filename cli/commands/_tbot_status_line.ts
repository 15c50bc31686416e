import type { ServiceStatus } from "../../identity/bot/mod.ts";

/** How a bot fares, in the one line that `systemctl status` has for it. */
export function statusLine(services: Readonly<Record<string, ServiceStatus>>): string {
  const all = Object.entries(services);
  const healthy = all.filter(([, { status }]) => status === "healthy").length;
  const worst = all.find(([, { status }]) => status === "unhealthy") ??
    all.find(([, { status }]) => status === "initializing");
  const count = `${healthy} of ${all.length} services are healthy`;
  if (!worst) return count;
  const [name, { reason, status }] = worst;
  return `${count}; ${name}: ${reason ?? status}`;
}
