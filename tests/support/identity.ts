import { generateKeyPair, type IdentityFile } from "../../identity/mod.ts";
import { issueCertificate } from "../../identity/x509/mod.ts";
import { CLUSTER, type Cluster } from "./relay_cluster.ts";

/** What an identity file of bot "robot" would hold. */
export async function testIdentity(
  cluster: Pick<Cluster, "userCa" | "hostCa">,
  { notBefore = new Date(), notAfter = new Date(Date.now() + 3_600_000) } = {},
): Promise<IdentityFile> {
  const pair = generateKeyPair();
  const { certificate } = await issueCertificate(cluster.userCa, {
    cluster: CLUSTER,
    publicKey: pair.publicKey,
    claims: {
      kind: "identity",
      bot: "robot",
      instance: "cd".repeat(16),
      roles: ["tester"],
      traits: {},
      reissue: true,
    },
    notBefore,
    notAfter,
    usage: ["client"],
  });
  return {
    key: pair.privateKey,
    tlsCertificate: certificate,
    sshCertificate: "",
    sshCas: [],
    tlsCas: [cluster.hostCa.certificate],
  };
}
