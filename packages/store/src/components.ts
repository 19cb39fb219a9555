// Which components agents can run, by where their inventory is kept: what an inventory names never changes, so it is read
// once.

import { LRUCache } from "lru-cache";
import type { Inventories } from "./inventories.ts";

/** Components that an inventory names (`receivers/otlp`); null when nobody told it, or it names none in the way of Collectors. */
export type ComponentsAt = (address: string) => Promise<ReadonlySet<string> | null>;

/** Inventories that are remembered; a fleet has some dozen. */
const MAX_INVENTORIES = 1_000;

/** Reads what inventories name. */
export function createComponentsAt(inventories: Pick<Inventories, "components">): ComponentsAt {
  const known = new LRUCache<string, ReadonlySet<string>>({ max: MAX_INVENTORIES });
  return async (address) => {
    const before = known.get(address);
    if (before !== undefined) return before;
    const names = await inventories.components(address);
    if (names === undefined || names.length === 0) return null;
    const components = new Set(names);
    known.set(address, components);
    return components;
  };
}
