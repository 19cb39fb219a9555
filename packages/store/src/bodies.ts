// Effective configs at rest: sealed, because agents resolve secrets into them, and addressed by content, because
// thousands of agents run the same. AES-256-GCM; the address is an HMAC under a key of its own, so that nobody
// without the key can test a guess. Bodies live in the partition of the agents that use them.

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { FleetError } from "@muster/fleet";
import type { Redis } from "ioredis";
import { putBody } from "./gen/scripts.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { run } from "./redis.ts";

/** How long a body is kept that no agent's view uses: far beyond any lag of the projector. */
export const UNUSED_BODY_TTL_S = 3_600;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Stores and reads sealed bodies. */
export interface Bodies {
  /** Where a body lives: the same content, the same address, in this installation. */
  addressOf(body: Uint8Array): string;
  /** Stores a body once. */
  put(partition: Partition, address: string, body: Uint8Array): Promise<void>;
  /** Reads a body; undefined when it is gone. @throws FleetError `internal` when the key is not the one it was sealed with */
  get(partition: Partition, address: string): Promise<Buffer | undefined>;
}

/** @param secret the installation's 32-byte key; addresses and seals use keys derived from it */
export function createBodies(fleet: Redis, secret: Uint8Array): Bodies {
  const derive = (purpose: string): Buffer => Buffer.from(hkdfSync("sha256", secret, "", `muster ${purpose}`, 32));
  const addressKey = derive("body address");
  const sealKey = derive("body seal");
  return {
    addressOf: (body) => createHmac("sha256", addressKey).update(body).digest("base64url").slice(0, 32),
    async put(partition, address, body) {
      await run(fleet, putBody, [fleetKeys.body(partition, address)], [seal(sealKey, body), UNUSED_BODY_TTL_S]);
    },
    async get(partition, address) {
      const sealed = await fleet.getBuffer(fleetKeys.body(partition, address));
      return sealed === null ? undefined : unseal(sealKey, sealed);
    },
  };
}

function seal(key: Uint8Array, body: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  return Buffer.concat([nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()]);
}

function unseal(key: Uint8Array, sealed: Buffer): Buffer {
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    const message = "A stored body does not open with MUSTER_ENCRYPTION_KEY; is it the key of this installation?";
    throw new FleetError("internal", message, { cause });
  }
}
