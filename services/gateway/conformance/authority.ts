// A certificate authority of the suite's own: what a server is given to sign with, and what agents are offered to trust.

import { generateKeyPairSync } from "node:crypto";
import { der, nameOf, pemOf, SIGNING, signed, TAG } from "./der.ts";

/** Certificate and private key, PEM. */
export interface Authority {
  readonly certificate: string;
  readonly key: string;
}

/** 2.5.29.19, basic constraints, critical: a CA. */
const IS_CA = der(
  TAG.sequence,
  Uint8Array.of(0x06, 0x03, 0x55, 0x1d, 0x13),
  der(TAG.boolean, Uint8Array.of(0xff)),
  der(TAG.octets, der(TAG.sequence, der(TAG.boolean, Uint8Array.of(0xff)))),
);

/** A CA of one day, signed by itself. */
export function createCa(commonName: string): Authority {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = nameOf(commonName);
  const day = (offset: number) => {
    const digits = new Date(Date.now() + offset * 86_400_000).toISOString().replaceAll(/[^0-9]/g, "");
    return der(TAG.time, Buffer.from(`${digits.slice(2, 14)}Z`));
  };
  const content = der(
    TAG.sequence,
    der(0xa0, der(TAG.integer, Uint8Array.of(2))), // version 3
    der(TAG.integer, Uint8Array.of(1)),
    SIGNING,
    name,
    der(TAG.sequence, day(-1), day(1)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(TAG.sequence, IS_CA)),
  );
  return {
    certificate: pemOf("CERTIFICATE", signed(content, privateKey)),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}
