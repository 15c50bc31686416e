/**
 * The fields of a role, as the original's published resource reference (versions v3 to v8, and the
 * newer ones of its development head) lists them. Those of other protocols are accepted and kept,
 * so that one file can serve both; nothing here enforces them.
 */
export const ROLE_FIELDS = ["kind", "version", "sub_kind", "metadata", "spec"] as const;

export const METADATA_FIELDS = [
  "name",
  "description",
  "labels",
  "expires",
  "revision",
  "namespace",
  "id",
] as const;

export const SPEC_FIELDS = ["allow", "deny", "options"] as const;

/** Enforced here, on both sides. */
export const CONDITION_FIELDS = [
  "namespaces",
  "app_labels",
  "app_labels_expression",
  "mcp",
  "rules",
] as const;

export const MCP_FIELDS = ["tools", "resources", "prompts"] as const;

export const TOOL_FIELDS = ["name", "where", "sha256"] as const;

export const OPTION_FIELDS = [
  "max_session_ttl",
  "require_session_mfa",
  "device_trust_mode",
  "lock",
  "mcp_repeat_calls",
] as const;

export const RULE_FIELDS = ["resources", "verbs"] as const;

/** What rules can speak of here, by the original's names. */
export const ADMIN_RESOURCES = [
  "app",
  "bot",
  "bot_instance",
  "cert_authority",
  "event",
  "host",
  "lock",
  "role",
  "session_tracker",
  "token",
] as const;

export const ADMIN_VERBS = [
  "list",
  "read",
  "readnosecrets",
  "create",
  "update",
  "delete",
] as const;

/** Accepted, and without effect: verbs for what is not here. */
export const OTHER_ADMIN_VERBS: ReadonlySet<string> = new Set([
  "create_enroll_token",
  "enroll",
  "rotate",
  "use",
]);

/** Accepted, and without effect: what the original's own roles and documentation speak of. */
export const OTHER_ADMIN_RESOURCES: ReadonlySet<string> = new Set([
  "access_list",
  "access_monitoring_rule",
  "access_request",
  "app_server",
  "audit_query",
  "auth_connector",
  "auth_server",
  "cluster_alert",
  "cluster_audit_config",
  "cluster_auth_preference",
  "cluster_config",
  "cluster_maintenance_config",
  "cluster_name",
  "cluster_networking_config",
  "connection_diagnostic",
  "crown_jewel",
  "db",
  "db_server",
  "db_service",
  "device",
  "discovery_config",
  "github",
  "host_cert",
  "installer",
  "instance",
  "integration",
  "kube_cluster",
  "kube_server",
  "license",
  "login_rule",
  "network_restrictions",
  "node",
  "oidc",
  "plugin",
  "proxy",
  "remote_cluster",
  "saml",
  "saml_idp_service_provider",
  "security_report",
  "server_info",
  "session",
  "session_recording_config",
  "ssh_session",
  "trusted_cluster",
  "tunnel_connection",
  "ui_config",
  "user",
  "user_group",
  "vnet_config",
  "web_session",
  "web_token",
  "windows_desktop",
  "windows_desktop_service",
  "workload_identity",
]);

/** Belongs to the authority, which gives each bot its roles by itself. */
export const AUTHORITY_FIELDS: ReadonlySet<string> = new Set(["impersonate"]);

/** Kept, not enforced: conditions of other protocols. */
export const OTHER_CONDITION_FIELDS: ReadonlySet<string> = new Set([
  "account_assignments",
  "app_resources",
  "app_resources_expressions",
  "aws_role_arns",
  "azure_identities",
  "beam_labels",
  "beam_labels_expression",
  "cluster_labels",
  "cluster_labels_expression",
  "db_labels",
  "db_labels_expression",
  "db_names",
  "db_permissions",
  "db_roles",
  "db_service_labels",
  "db_service_labels_expression",
  "db_users",
  "desktop_groups",
  "gcp_service_accounts",
  "github_permissions",
  "group_labels",
  "group_labels_expression",
  "host_groups",
  "host_sudoers",
  "join_sessions",
  "kubernetes_groups",
  "kubernetes_labels",
  "kubernetes_labels_expression",
  "kubernetes_resources",
  "kubernetes_users",
  "linux_desktop_labels",
  "linux_desktop_labels_expression",
  "linux_desktop_logins",
  "logins",
  "node_labels",
  "node_labels_expression",
  "request",
  "require_session_join",
  "review_requests",
  "spiffe",
  "windows_desktop_labels",
  "windows_desktop_labels_expression",
  "windows_desktop_logins",
  "workload_identity_labels",
  "workload_identity_labels_expression",
]);

/** Kept, not enforced: options of other protocols. */
export const OTHER_OPTION_FIELDS: ReadonlySet<string> = new Set([
  "cert_extensions",
  "cert_format",
  "client_idle_timeout",
  "create_db_user",
  "create_db_user_mode",
  "create_desktop_user",
  "create_host_user",
  "create_host_user_default_shell",
  "create_host_user_mode",
  "desktop_clipboard",
  "desktop_directory_sharing",
  "disconnect_expired_cert",
  "enhanced_recording",
  "forward_agent",
  "idp",
  "max_connections",
  "max_kubernetes_connections",
  "max_sessions",
  "mfa_verification_interval",
  "permit_x11_forwarding",
  "pin_source_ip",
  "port_forwarding",
  "record_session",
  "request_access",
  "request_prompt",
  "ssh_file_copy",
  "ssh_port_forwarding",
  "web_terminal_clipboard_mode",
]);

/** Names that the original keeps for the roles of its own services. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  "Admin",
  "App",
  "Auth",
  "Bot",
  "Db",
  "Discovery",
  "Instance",
  "Kube",
  "MDM",
  "Node",
  "Nop",
  "Okta",
  "ProvisionToken",
  "Proxy",
  "RemoteProxy",
  "Signup",
  "Trustedcluster",
  "Web",
  "WindowsDesktop",
]);

export const ROLE_VERSIONS = ["v3", "v4", "v5", "v6", "v7", "v8"] as const;
