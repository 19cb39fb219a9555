// As much DER (X.690) as certificates and their requests take: writing only.

import { type KeyObject, sign } from "node:crypto";

const BIT_STRING = 0x03;
/** 1.2.840.10045.4.3.2, ECDSA with SHA-256. */
const ECDSA_SHA256 = Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
/** 2.5.4.3, common name. */
const COMMON_NAME = Uint8Array.of(0x06, 0x03, 0x55, 0x04, 0x03);

/** Tags. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  octets: 0x04,
  utf8: 0x0c,
  time: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;

/** A value with its tag and length. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...size), content]);
}

/** A name that consists of a common name. */
export function nameOf(commonName: string): Uint8Array {
  const text = der(TAG.utf8, Buffer.from(commonName));
  return der(TAG.sequence, der(TAG.set, der(TAG.sequence, COMMON_NAME, text)));
}

/** How P-256 keys sign. */
export const SIGNING: Uint8Array = der(TAG.sequence, ECDSA_SHA256);

/** Something signed, with its signature. */
export function signed(content: Uint8Array, key: KeyObject): Uint8Array {
  return der(TAG.sequence, content, SIGNING, der(BIT_STRING, Uint8Array.of(0), sign("sha256", content, key)));
}

/** DER as PEM. */
export function pemOf(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
