/** `app_service` of `teleport.yaml`: the apps that the agent serves. */
import { z } from "zod";
import {
  appFields,
  appLabels,
  appName,
  checkAppFields,
  oneOrMany,
  toApp,
  toggle,
} from "../../identity/config/mod.ts";
import { DEMO_APP } from "../../identity/mod.ts";
import type { App } from "../../identity/mod.ts";

export type LabelSelector = Readonly<Record<string, readonly string[]>>;

export interface AppSection {
  /** Apps of the file. */
  readonly apps: readonly App[];
  /** Label selectors of app resources that the agent takes up. */
  readonly appSelectors: readonly LabelSelector[];
}

const app = z.strictObject({
  name: appName,
  description: z.string().default(""),
  labels: appLabels,
  ...appFields,
}).superRefine(checkAppFields);

export const appSectionSchema = z.strictObject({
  enabled: toggle.default(true),
  mcp_demo_server: toggle.default(false),
  resources: z.array(z.strictObject({ labels: z.record(z.string(), oneOrMany) })).default([]),
  apps: z.array(app).default([]),
}).superRefine(({ apps, mcp_demo_server }, context) => {
  const taken = new Set(mcp_demo_server ? [DEMO_APP.name] : []);
  apps.forEach(({ name }, index) => {
    if (taken.has(name)) {
      const message = `there is a second app with the name "${name}"`;
      context.addIssue({ code: "custom", message, path: ["apps", index, "name"] });
    }
    taken.add(name);
  });
}).default({ enabled: true, mcp_demo_server: false, resources: [], apps: [] });

/** What a checked section says; nothing is served when it is switched off. */
export function readAppSection(raw: z.infer<typeof appSectionSchema>): AppSection {
  if (!raw.enabled) return { apps: [], appSelectors: [] };
  return {
    apps: [
      ...raw.apps.map((app) => toApp(app, app)),
      ...(raw.mcp_demo_server ? [DEMO_APP] : []),
    ],
    appSelectors: raw.resources.map(({ labels }) => labels),
  };
}
