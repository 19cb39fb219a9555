// Forgets agents: by an operator's word, or because they did not come back for long. What is kept of one goes in one script; then
// what operators said of it and what it was offered. One that reports again is simply new.

import { type InstanceUid, isConnected } from "@muster/fleet";
import { forgetArguments, type VersionedView } from "./agent-record.ts";
import { forgetAgent, forgetAlias } from "./gen/scripts.ts";
import { fleetKeys, partitionOf } from "./keys.ts";
import type { MetadataStore } from "./metadata.ts";
import type { ProjectContext } from "./project-agent.ts";
import { run } from "./redis.ts";
import type { Settings } from "./settings.ts";

/** What forgetting works on. */
export type ForgetContext = Pick<ProjectContext, "fleet" | "partitions" | "remembered"> & {
  readonly metadata: Pick<MetadataStore, "remove">;
  readonly settings: Pick<Settings, "remove">;
};

/** What became of it: `back` when it came back, or something else was heard of it; then it is left as it is. */
export type Forgotten = "forgotten" | "back";

/** Forgets agents as they were read. Answers what became of each, in their order. */
export async function forgetAgents(
  context: ForgetContext,
  found: readonly VersionedView[],
): Promise<readonly Forgotten[]> {
  const codes = await Promise.all(found.map((each) => forget(context, each)));
  const gone = found.filter((_, i) => codes[i] === "forgotten").map(({ view }) => view.uid);
  await Promise.all([context.metadata.remove(gone), context.settings.remove(gone)]);
  return codes;
}

async function forget({ fleet, partitions, remembered }: ForgetContext, found: VersionedView): Promise<Forgotten> {
  const { uid, previousUids } = found.view;
  if (isConnected(found.view)) return "back";
  const code = await run(fleet, forgetAgent, ...forgetArguments(partitionOf(uid, partitions), found));
  if (code !== 1) return "back"; // the script's header
  remembered.delete(uid);
  await Promise.all(previousUids.map((former) => forgetFormer(fleet, partitions, former, [uid, ...previousUids])));
  return "forgotten";
}

async function forgetFormer(
  fleet: ForgetContext["fleet"],
  partitions: number,
  uid: InstanceUid,
  leadingTo: readonly InstanceUid[],
): Promise<void> {
  const p = partitionOf(uid, partitions);
  await run(fleet, forgetAlias, [fleetKeys.agent(p, uid), fleetKeys.session(p, uid)], leadingTo);
}
