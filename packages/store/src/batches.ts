// Gathers what many callers ask of one partition in the same moment into one command: a script over a hundred agents costs a
// fraction of a hundred scripts, here and in Redis. Nobody waits for it: what is gathered goes out before the next event.

import type { Partition } from "./keys.ts";

/** Where partitions do not matter, or whoever answers sees to them: all is gathered together. */
export const ANY: Partition = 0;

/** Asks for one item; rejects when the command for its batch did. */
export type Ask<Item, Answer> = (p: Partition, item: Item) => Promise<Answer>;

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** @param run answers one per item, in their order · @param maxCount most items of one command */
export function createBatches<Item, Answer>(
  run: (p: Partition, items: readonly Item[]) => Promise<readonly Answer[]>,
  maxCount: number,
): Ask<Item, Answer> {
  const gathered = new Map<Partition, Waiting<Item, Answer>[]>();
  const send = async (p: Partition, batch: readonly Waiting<Item, Answer>[]): Promise<void> => {
    try {
      const answers = await run(
        p,
        batch.map(({ item }) => item),
      );
      for (const [i, { resolve }] of batch.entries()) resolve(answers[i] as Answer); // one per item
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };
  const take = (p: Partition): void => {
    const batch = gathered.get(p);
    gathered.delete(p);
    if (batch !== undefined) void send(p, batch); // never rejects: its callers do
  };
  return (p, item) =>
    new Promise((resolve, reject) => {
      const batch = gathered.get(p) ?? [];
      batch.push({ item, resolve, reject });
      if (batch.length === 1) {
        gathered.set(p, batch);
        setImmediate(() => gathered.get(p) === batch && take(p));
      }
      if (batch.length >= maxCount) take(p);
    });
}
