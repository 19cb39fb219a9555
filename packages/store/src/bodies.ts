// What is too large or too secret for a view: effective configs, component inventories, custom messages. Sealed,
// because agents resolve secrets into them, and addressed by content, because thousands of agents run the same. The
// address is an HMAC under a key of its own, so that nobody without the key can test a guess. Bodies live in the
// partition of the agents that use them; agents.ts counts who does.

import type { Redis } from "ioredis";
import { createBatches } from "./batches.ts";
import { keepBodies } from "./gen/scripts.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { run, transact } from "./redis.ts";
import { createAddresses, createSeal } from "./seal.ts";

/** How long a body is kept that no agent's view uses: far beyond any lag of the projector. */
export const UNUSED_BODY_TTL_S = 900;

/** Bodies of one command; most are a few kilobytes. */
const MAX_PUTS = 64;
/** Bytes of bodies after which a command is sent: some may have many megabytes, and Redis takes so much from one client. */
const MAX_PORTION_BYTES = 8 * 1024 * 1024;

interface Put {
  readonly address: string;
  /** Only asked of a body that is not there yet. */
  seal(): Buffer;
}

interface Sealed {
  readonly address: string;
  readonly sealed: Buffer;
}

/** Seals bodies, as many at a time as one command takes. */
function* portionsOf(puts: readonly Put[]): Generator<readonly Sealed[]> {
  let portion: Sealed[] = [];
  let sizeBytes = 0;
  for (const { address, seal } of puts) {
    const sealed = seal();
    portion.push({ address, sealed });
    sizeBytes += sealed.byteLength;
    if (sizeBytes < MAX_PORTION_BYTES) continue;
    yield portion;
    portion = [];
    sizeBytes = 0;
  }
  if (portion.length > 0) yield portion;
}

/** Keys and arguments of keep-bodies.lua. */
function keepArguments(p: Partition, bodies: readonly { readonly address: string }[]): [string[], (string | number)[]] {
  const addresses = bodies.map(({ address }) => address);
  const keys = [fleetKeys.bodyUses(p), ...addresses.map((address) => fleetKeys.body(p, address))];
  return [keys, [UNUSED_BODY_TTL_S, ...addresses]];
}

/** Stores and reads sealed bodies. */
export interface Bodies {
  /** Where a body lives: the same content, the same address, in this installation. */
  addressOf(body: Uint8Array): string;
  /** Stores a body once. */
  put(partition: Partition, address: string, body: Uint8Array): Promise<void>;
  /** Reads a body; undefined when it is gone. @throws FleetError `internal` when the key is not the one it was sealed with */
  get(partition: Partition, address: string): Promise<Buffer | undefined>;
  /** Stores a body of one partition in another, too, as it is. Does nothing when it is gone. */
  copy(from: Partition, to: Partition, address: string): Promise<void>;
}

/** @param secret the installation's 32-byte key; addresses and seals use keys derived from it */
export function createBodies(fleet: Redis, secret: Uint8Array): Bodies {
  const addressOf = createAddresses(secret, "body address");
  const seal = createSeal(secret, "body seal");
  const putAll = createBatches(async (p, puts: readonly Put[]) => {
    const unique = [...new Map(puts.map((put) => [put.address, put])).values()];
    const [keys, args] = keepArguments(p, unique);
    const missing = (await run(fleet, keepBodies, keys, args)) as readonly number[]; // the script's header
    const portions = portionsOf(missing.map((place) => unique[place - 1] as Put));
    for (const portion of portions) {
      const bodies = portion.flatMap(({ address, sealed }) => [fleetKeys.body(p, address), sealed]);
      // Not through the script's hands: Redis hashes each byte of each string that Lua is given.
      await transact(fleet, (commands) => commands.mset(...bodies), keepBodies, ...keepArguments(p, portion));
    }
    return puts;
  }, MAX_PUTS);
  return {
    addressOf,
    async put(partition, address, body) {
      await putAll(partition, { address, seal: () => seal.close(body) });
    },
    async get(partition, address) {
      const sealed = await fleet.getBuffer(fleetKeys.body(partition, address));
      return sealed === null ? undefined : seal.open(sealed);
    },
    async copy(from, to, address) {
      if (from === to) return;
      const sealed = await fleet.getBuffer(fleetKeys.body(from, address));
      if (sealed !== null) await putAll(to, { address, seal: () => sealed });
    },
  };
}
