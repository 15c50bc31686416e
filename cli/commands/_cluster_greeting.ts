/** What `app-agent start` shows of a cluster that is ready. */
export function clusterGreeting({ address, caPins, configFile, dataDir, name }: {
  readonly name: string;
  readonly address: string;
  readonly dataDir: string;
  /** Of every CA that is trusted: during a rotation whoever pins must know what comes as well. */
  readonly caPins: readonly string[];
  readonly configFile: string | undefined;
}): string {
  const tctl = configFile === undefined ? "tctl" : `tctl -c ${configFile}`;
  return [
    `Cluster ${name} is ready.`,
    `  address   ${address}`,
    `  data      ${dataDir}`,
    ...caPins.map((pin) => `  CA pin    ${pin}`),
    "",
    "Next, in another terminal on this machine:",
    `  ${tctl} create -f role.yaml                      which servers and tools`,
    `  ${tctl} bots add example --roles=example-role    a machine, and its one-time token`,
    `  ${tctl} status                                   how the cluster is`,
    "",
    "",
  ].join("\n");
}
