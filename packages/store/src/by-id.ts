// Pages of things that operators keep under ids of their own, in the order of the ids. Used by configs and secrets; small
// kinds that are read all at once are documents.ts.

import type { Redis } from "ioredis";

/**
 * Up to `limit` of those with ids above `after`; fewer only where there are no more. One that is deleted while it is read is left
 * out.
 * @param ids key of the sorted set that has the ids by text
 */
export async function listById<Id extends string, Item>(
  control: Redis,
  ids: string,
  after: string,
  limit: number,
  load: (id: Id) => Promise<Item | undefined>,
): Promise<readonly Item[]> {
  const found: Item[] = [];
  for (let from = after; found.length < limit; ) {
    const wanted = limit - found.length;
    const some = await control.zrangebylex(ids, from === "" ? "-" : `(${from}`, "+", "LIMIT", 0, wanted);
    const items = await Promise.all(some.map((id) => load(id as Id))); // only scripts add members, and ids alone
    found.push(...items.filter((item) => item !== undefined));
    if (some.length < wanted) break;
    from = some.at(-1) ?? from;
  }
  return found;
}
