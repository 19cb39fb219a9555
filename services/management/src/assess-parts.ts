// Checks of the parts that connection settings and packages share: URLs, headers, certificates. Pure. Each answers
// everything that is wrong, and never repeats a secret.

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Violation } from "@muster/fleet";

/** What a message is that may not be larger; the gateways' frames have room for it. */
export const MAX_OFFER_BYTES = 256 * 1024;
/** Longest name of anything. */
export const MAX_NAME_CHARS = 255;

/** RFC 9110: what the name of a header is made of. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** A text must be a URL of one of these schemes. */
export function assessUrl(field: string, text: string, schemes: readonly string[]): readonly Violation[] {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && schemes.includes(url.protocol.slice(0, -1)) && url.host !== "") return [];
  const what = text === "" ? "is missing" : `"${text.slice(0, 200)}" is none`;
  return [{ field, description: `${what}; give a URL with ${schemes.join(", ")}.` }];
}

/** Whether a URL names no more than a server. */
export function hasPath(text: string): boolean {
  return URL.canParse(text) && new URL(text).pathname.length > 1;
}

/** Names of headers must be tokens, values one line. */
export function assessHeaders(field: string, headers: Readonly<Record<string, string>>): readonly Violation[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    const at = `${field}[${name.slice(0, MAX_NAME_CHARS)}]`;
    if (!TOKEN.test(name)) return [{ field: at, description: "is no name that an HTTP header can have." }];
    if (!/[\r\n\0]/.test(value)) return [];
    return [{ field: at, description: "its value has a line break or a zero byte; a header is one line." }];
  });
}

/** A text must be certificates, PEM. */
export function assessCertificates(field: string, pem: string): readonly Violation[] {
  const blocks = pem.match(PEM_BLOCK) ?? [];
  if (blocks.length > 0 && blocks.every((block) => parseCertificate(block) !== null)) return [];
  return [{ field, description: "is no certificate in PEM; give the text between and with its BEGIN and END lines." }];
}

/** A client certificate and its key come together and belong together. */
export function assessKeyPair(field: string, certificatePem: string, privateKeyPem: string): readonly Violation[] {
  if (certificatePem === "" && privateKeyPem === "") return [];
  const certificateField = `${field}.certificate_pem`;
  const keyField = `${field}.private_key_pem`;
  if (certificatePem === "")
    return [{ field: certificateField, description: "is missing; a key needs its certificate." }];
  if (privateKeyPem === "") return [{ field: keyField, description: "is missing; a certificate needs its key." }];
  const certificate = assessCertificates(certificateField, certificatePem);
  const key = parseKey(privateKeyPem);
  if (key === null) return [...certificate, { field: keyField, description: "is no unencrypted private key in PEM." }];
  const [first = ""] = certificatePem.match(PEM_BLOCK) ?? [];
  if (parseCertificate(first)?.checkPrivateKey(key) !== false) return certificate;
  return [...certificate, { field: keyField, description: "is not the key of the certificate." }];
}

function parseCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function parseKey(pem: string): ReturnType<typeof createPrivateKey> | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}
