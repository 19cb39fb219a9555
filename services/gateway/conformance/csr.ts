// Certificate requests (PKCS #10) with a P-256 key, written here byte by byte, so that one can also be made that lies.

import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { der, nameOf, pemOf, signed, TAG } from "./der.ts";

/** What a request says. */
export interface RequestOptions {
  /** Its common name. */
  readonly name: string;
  /** Whether its signature proves that the key is its owner's; default true. */
  readonly isProven?: boolean;
}

/** A certificate request, and the key it is for. */
export interface CertificateRequest {
  readonly pem: Uint8Array;
  readonly privateKey: KeyObject;
}

const NO_ATTRIBUTES = Uint8Array.of(0xa0, 0x00);

/** Makes a request with a new key. */
export function createRequest({ name, isProven = true }: RequestOptions): CertificateRequest {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = publicKey.export({ type: "spki", format: "der" });
  const version = der(TAG.integer, Uint8Array.of(0));
  const info = der(TAG.sequence, version, nameOf(name), key, NO_ATTRIBUTES);
  const signer = isProven ? privateKey : generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  return { pem: Buffer.from(pemOf("CERTIFICATE REQUEST", signed(info, signer))), privateKey };
}
