// Secrets at rest: AES-256-GCM under keys derived from the installation's one key, a key per purpose, so that what
// was sealed for one purpose does not open as another. Pure but for the nonce. Used by every part that keeps secrets.

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { FleetError } from "@muster/fleet";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Seals and opens texts of one purpose. */
export interface Seal {
  close(body: Uint8Array): Buffer;
  /** @throws FleetError `internal` when the key is not the one it was sealed with */
  open(sealed: Buffer): Buffer;
}

/** The key of one purpose. @param secret the installation's 32-byte key */
export function deriveKey(secret: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `muster ${purpose}`, 32));
}

/** 32 characters. Cut before it is text: a slice of a string would keep the whole of it in memory. */
const ADDRESS_BYTES = 24;

/** Where contents of one purpose live: the same content, the same address. @param secret the installation's 32-byte key */
export function createAddresses(secret: Uint8Array, purpose: string): (content: string | Uint8Array) => string {
  const key = deriveKey(secret, purpose);
  return (content) => createHmac("sha256", key).update(content).digest().toString("base64url", 0, ADDRESS_BYTES);
}

/** A seal with a key of its own. @param secret the installation's 32-byte key */
export function createSeal(secret: Uint8Array, purpose: string): Seal {
  const key = deriveKey(secret, purpose);
  return {
    close(body) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      return Buffer.concat([nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed) {
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES));
        decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
        return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      } catch (cause) {
        const message = "A stored body does not open with MUSTER_ENCRYPTION_KEY; is it the key of this installation?";
        throw new FleetError("internal", message, { cause });
      }
    },
  };
}
