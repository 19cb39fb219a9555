// The bytes of offers, by config hash: loads the revisions that make a desired config up, composes and encodes them
// once, and keeps them while they are used. Revisions are immutable, so nothing here ever goes stale.

import {
  type ConfigHash,
  type ConfigId,
  type Contribution,
  composeFiles,
  type Desired,
  FleetError,
  type Revision,
  type SecretPin,
} from "@muster/fleet";
import { LRUCache } from "lru-cache";
import { type EncodedOffer, encodeOffer } from "./replies.ts";

/** What it needs of the store. */
export interface OffersDeps {
  loadRevision(id: ConfigId, number: number): Promise<Revision | undefined>;
  /** Opens a secret; nothing but an offer ever holds its value. */
  openSecret(pin: SecretPin): Promise<string | undefined>;
}

/** The bytes of offers. */
export interface Offers {
  /** At once, when the config is in memory. */
  peek(hash: ConfigHash): EncodedOffer | undefined;
  /** Loads what is missing; agents that are offered one config at once share one load. @throws FleetError */
  load(desired: Desired): Promise<EncodedOffer>;
}

/** Encoded offers kept in memory, together. */
const MAX_CACHE_BYTES = 64 * 1024 * 1024;
/** Revisions kept in memory: where they use variables, each agent's offer is made of them anew. */
const MAX_REVISIONS = 64;

/** The values of secrets, by name. @throws FleetError when one is gone: a config without its secret is none to offer */
async function openAll(pins: readonly SecretPin[], { openSecret }: OffersDeps): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for (const pin of pins) {
    const value = await openSecret(pin);
    if (value === undefined) throw new FleetError("not_found", `version ${pin.version} of secret "${pin.id}" is gone`);
    values.set(pin.id, value);
  }
  return values;
}

export function createOffers(deps: OffersDeps): Offers {
  const encoded = new LRUCache<ConfigHash, EncodedOffer>({
    maxSize: MAX_CACHE_BYTES,
    sizeCalculation: (bytes) => bytes.byteLength + 1,
  });
  const loading = new Map<ConfigHash, Promise<EncodedOffer>>();
  const revisionsByHash = new LRUCache<string, Revision>({ max: MAX_REVISIONS });

  async function revisionOf({ configId, revision, hash }: Contribution): Promise<Revision> {
    const key = `${configId} ${revision} ${hash}`;
    const known = revisionsByHash.get(key);
    if (known !== undefined) return known;
    const found = await deps.loadRevision(configId, revision);
    if (found?.hash !== hash) {
      throw new FleetError("not_found", `revision ${revision} of config "${configId}" is not in the store`);
    }
    // Of what uses no variables the offer itself is kept.
    if (found.variables.length > 0) revisionsByHash.set(key, found);
    return found;
  }

  async function compose(desired: Desired): Promise<EncodedOffer> {
    const revisions = await Promise.all(desired.contributions.map(revisionOf));
    const filesOf = new Map(desired.contributions.map((part, i) => [part, revisions[i]?.files ?? []]));
    const values = await Promise.all(revisions.map(({ secrets }) => openAll(secrets, deps)));
    const valuesOf = new Map(desired.contributions.map((part, i) => [part, values[i]]));
    const bytes = encodeOffer(
      desired.hash,
      composeFiles(
        desired,
        (part) => filesOf.get(part) ?? [],
        (part, name) => valuesOf.get(part)?.get(name),
      ),
    );
    encoded.set(desired.hash, bytes);
    return bytes;
  }

  return {
    peek: (hash) => encoded.get(hash),
    async load(desired) {
      const known = encoded.get(desired.hash) ?? loading.get(desired.hash);
      if (known !== undefined) return await known;
      const load = compose(desired).finally(() => loading.delete(desired.hash));
      loading.set(desired.hash, load);
      return await load;
    },
  };
}
