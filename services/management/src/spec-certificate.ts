// Self-signed certificates for specs, made afresh, so that no private key lies in the repository: X.509 in the few
// pieces of DER that it takes. Never used in the service.

import { generateKeyPairSync, sign } from "node:crypto";

/** A certificate with its key, both PEM. */
export interface SpecCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const ECDSA_WITH_SHA256 = der(0x30, Buffer.from("06082a8648ce3d040302", "hex"));
const COMMON_NAME = Buffer.from("0603550403", "hex");

/** Makes a certificate that signs itself. */
export function makeCertificate(name = "muster spec"): SpecCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const subject = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from(name)))));
  const validity = der(0x30, der(0x17, Buffer.from("200101000000Z")), der(0x17, Buffer.from("491231235959Z")));
  const version = der(0xa0, der(0x02, Buffer.from([2])));
  const serial = der(0x02, Buffer.from([1]));
  const spki = publicKey.export({ type: "spki", format: "der" });
  const body = der(0x30, version, serial, ECDSA_WITH_SHA256, subject, validity, subject, spki);
  const signature = der(0x03, Buffer.from([0]), sign("sha256", body, privateKey));
  const lines =
    der(0x30, body, ECDSA_WITH_SHA256, signature)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return {
    certificatePem: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    privateKeyPem: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

/** One value: its tag, its length, its parts. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const { length } = Buffer.concat(parts);
  const head = length < 128 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), ...parts]);
}
