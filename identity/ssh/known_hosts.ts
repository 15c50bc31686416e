/**
 * One line of a `known_hosts` file: hosts under the cluster's name are those whose certificate
 * this CA signed. sshd's manual, SSH_KNOWN_HOSTS FILE FORMAT.
 */
export function certAuthorityLine(clusterName: string, caPublicKey: string): string {
  return `@cert-authority ${clusterName},*.${clusterName} ${caPublicKey} type=host`;
}
