// Commands over many agents, as few as the layout allows: one per partition, since a script touches one slot, and no more
// agents in one than Redis gets through before anybody else notices.

import type { InstanceUid } from "@muster/fleet";
import { type Partition, partitionOf } from "./keys.ts";

/** A script over so many agents takes Redis a few milliseconds. */
const MAX_PER_COMMAND = 250;

/** Calls `work` with the agents of one partition after another; answers what it answers for each, in the order of `agents`. */
export async function eachPartition<Item, Answer>(
  agents: readonly Item[],
  partitions: number,
  uidOf: (item: Item) => InstanceUid,
  work: (p: Partition, some: readonly Item[]) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = new Array(agents.length);
  const byPartition = Map.groupBy(agents.keys(), (i) => partitionOf(uidOf(agents[i] as Item), partitions)); // a key of it
  const commands = [...byPartition].flatMap(([p, places]) => slices(places).map((some) => ({ p, some })));
  await Promise.all(
    commands.map(async ({ p, some }) => {
      const found = await work(
        p,
        some.map((i) => agents[i] as Item),
      );
      for (const [at, i] of some.entries()) answers[i] = found[at] as Answer; // one answer per agent
    }),
  );
  return answers;
}

function slices(places: readonly number[]): readonly (readonly number[])[] {
  const count = Math.ceil(places.length / MAX_PER_COMMAND);
  return Array.from({ length: count }, (_, n) => places.slice(n * MAX_PER_COMMAND, (n + 1) * MAX_PER_COMMAND));
}
