import type { BotConfig } from "../../identity/bot/mod.ts";

export interface UnitOptions {
  readonly config: BotConfig;
  /** Absolute paths of the configuration and of tbot itself. */
  readonly path: string;
  readonly program: string;
  readonly user: string;
  readonly group: string;
}

/**
 * The systemd unit of a bot. It may write where its configuration says and nowhere else; systemd
 * hears from it when it is ready, how it fares, and that it still turns.
 */
export function systemdUnit({ config, group, path, program, user }: UnitOptions): string {
  const writable = writtenDirectories(config);
  return `[Unit]
Description=Postern Machine & Workload Identity Service (tbot)
After=network-online.target
Wants=network-online.target
# Whatever ends it, it is started again.
StartLimitIntervalSec=0

[Service]
Type=notify
# What systemd is told comes from systemd-notify.
NotifyAccess=all
User=${user}
Group=${group}
ExecStart=${argument(program)} start --config ${argument(path)} --log-format json
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=5
TimeoutStartSec=infinity
WatchdogSec=60
LimitNOFILE=65536
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=${writable.map((it) => `-${quoted(it)}`).join(" ") || "-/nonexistent"}
PrivateTmp=${
    writable.some((it) => it.startsWith("/tmp/") || it.startsWith("/var/tmp/")) ? "no" : "yes"
  }
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
`;
}

/** The directories that a bot writes to, as the configuration has them. */
export function writtenDirectories({ services, storage }: BotConfig): string[] {
  const outputs = services.flatMap((it) => "destination" in it ? [it.destination] : []);
  return [storage, ...outputs].flatMap((it) => it.type === "directory" ? [it.path] : []);
}

/** systemd.syntax(7): quotes keep a word whole; `%` would begin a specifier. */
function quoted(word: string): string {
  const escaped = word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%");
  return /^[A-Za-z0-9_.,:\/@%+-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

/** systemd.service(5): on a command line, `$` would begin a variable. */
function argument(word: string): string {
  return quoted(word).replaceAll("$", "$$$$");
}
