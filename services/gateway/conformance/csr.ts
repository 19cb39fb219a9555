// Certificate requests (PKCS #10) with a P-256 key, written byte by byte, so that one can also be made that lies.

import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

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

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
const NO_ATTRIBUTES = Uint8Array.of(0xa0, 0x00);
/** 2.5.4.3, common name. */
const COMMON_NAME = Uint8Array.of(0x06, 0x03, 0x55, 0x04, 0x03);
/** 1.2.840.10045.4.3.2, ECDSA with SHA-256. */
const ECDSA_SHA256 = Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);

/** Makes a request with a new key. */
export function createRequest({ name, isProven = true }: RequestOptions): CertificateRequest {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(name)))));
  const key = publicKey.export({ type: "spki", format: "der" });
  const info = der(SEQUENCE, der(INTEGER, Uint8Array.of(0)), subject, key, NO_ATTRIBUTES);
  const signature = sign("sha256", info, isProven ? privateKey : anotherKey());
  const request = der(SEQUENCE, info, der(SEQUENCE, ECDSA_SHA256), der(BIT_STRING, Uint8Array.of(0), signature));
  const lines =
    Buffer.from(request)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  const text = `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join("\n")}\n-----END CERTIFICATE REQUEST-----\n`;
  return { pem: Buffer.from(text), privateKey };
}

function anotherKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...size), content]);
}
