// What components agents can run, told once per inventory and not once per agent: agents name theirs by a hash of their
// own, and the first that tells it tells it for the whole fleet (opamp.proto, AvailableComponents.hash). Sealed like
// everything agents say. Kept as long as anybody connects with it, and for a while after.
//
// The hash is the agent's word: one that lies can spoil the inventory of those who truly have that hash, in what
// operators are shown. Nothing is decided by it alone.

import type { Redis } from "ioredis";
import { fleetKeys } from "./keys.ts";
import { createAddresses, createSeal } from "./seal.ts";

/** Inventories of components. */
export interface Inventories {
  /** Where the inventory lives that agents know by this hash (any text). */
  addressOf(hash: string): string;
  /** Whether anybody told it; keeps it for longer if so. */
  has(address: string): Promise<boolean>;
  /** Keeps what an agent told, and which components that names (`receivers/otlp`). The first word counts. */
  put(address: string, inventory: Uint8Array, components: readonly string[]): Promise<void>;
  /** A serialized AvailableComponents; undefined when nobody told it. @throws FleetError `internal` when the key is another */
  get(address: string): Promise<Buffer | undefined>;
  /** The components it names; undefined when nobody told it. @throws as `get` */
  components(address: string): Promise<readonly string[] | undefined>;
}

/** How long an inventory is kept after the last agent connected with it. */
export const INVENTORY_TTL_S = 90 * 86_400;
/** Inventories that are kept; a fleet has some dozen. Beyond it those go that were looked up longest ago. */
export const MAX_INVENTORIES = 1_000;

/** @param secret the installation's 32-byte key; addresses and seals use keys derived from it */
export function createInventories(fleet: Redis, secret: Uint8Array): Inventories {
  const addressOf = createAddresses(secret, "inventory address");
  const seal = createSeal(secret, "inventory seal");
  return {
    addressOf,
    async has(address) {
      const isThere = (await fleet.expire(fleetKeys.inventory(address), INVENTORY_TTL_S)) === 1;
      if (isThere) await fleet.zadd(fleetKeys.inventories, String(Date.now()), address);
      return isThere;
    },
    async put(address, inventory, components) {
      await fleet.zadd(fleetKeys.inventories, String(Date.now()), address);
      await fleet.set(
        fleetKeys.inventory(address),
        seal.close(joined(inventory, components)),
        "EX",
        INVENTORY_TTL_S,
        "NX",
      );
      const tooMany = (await fleet.zcard(fleetKeys.inventories)) - MAX_INVENTORIES;
      if (tooMany <= 0) return;
      const oldest = await fleet.zpopmin(fleetKeys.inventories, tooMany);
      // A pair each: the address and when it was looked up.
      await Promise.all(oldest.filter((_, i) => i % 2 === 0).map((each) => fleet.del(fleetKeys.inventory(each))));
    },
    async get(address) {
      const sealed = await fleet.getBuffer(fleetKeys.inventory(address));
      return sealed === null ? undefined : split(seal.open(sealed)).inventory;
    },
    async components(address) {
      const sealed = await fleet.getBuffer(fleetKeys.inventory(address));
      return sealed === null ? undefined : split(seal.open(sealed)).components;
    },
  };
}

/** One value of two parts: the length of the first, the names as JSON, and what the agent told. */
function joined(inventory: Uint8Array, components: readonly string[]): Buffer {
  const names = Buffer.from(JSON.stringify(components));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(names.length);
  return Buffer.concat([length, names, inventory]);
}

function split(value: Buffer): { readonly inventory: Buffer; readonly components: readonly string[] } {
  const end = 4 + value.readUInt32BE(0);
  const components = JSON.parse(value.subarray(4, end).toString()) as readonly string[]; // written above
  return { inventory: value.subarray(end), components };
}
