// Every agent that a selector matches at once, for calls that change all of them or put them in another order: so many that one
// call stays short, and no more.

import { FleetError, type Selector } from "@muster/fleet";
import type { Tally, VersionedView } from "@muster/store";
import { loadSelected, type RecordDeps, withGroups } from "./records.ts";

/** Agents of one call. */
export const MAX_AT_ONCE = 10_000;
/** Records that are loaded together. */
const BATCH = 1_000;

/** @param verb what becomes of them, for the sentence that there are too many. @throws FleetError `failed_precondition` */
export async function selectAll(
  deps: RecordDeps & { readonly agents: { readonly tally: Tally } },
  asked: Selector,
  verb: string,
  signal: AbortSignal,
): Promise<readonly VersionedView[]> {
  const selector = await withGroups(deps.groups, asked);
  const count = await deps.agents.tally.count(selector, signal);
  if (count > MAX_AT_ONCE) throw tooMany(selector, count, verb);
  const found: VersionedView[] = [];
  for (let after: string | undefined = ""; after !== undefined; ) {
    signal.throwIfAborted();
    const uids: readonly VersionedView["view"]["uid"][] = await deps.agents.page(after, BATCH, selector);
    found.push(...(await loadSelected(deps, selector, uids)));
    if (found.length > MAX_AT_ONCE) throw tooMany(selector, found.length, verb);
    after = uids.length < BATCH ? undefined : uids.at(-1);
  }
  return found;
}

function tooMany({ text }: Selector, count: number, verb: string): FleetError {
  const message =
    `"${text}" matches ${count} agents; at most ${MAX_AT_ONCE} are ${verb} at once. Narrow it with one more requirement, such ` +
    "as cloud.region=eu-west-1.";
  const details = { selector: text, count: `${count}`, most: `${MAX_AT_ONCE}` };
  return new FleetError("failed_precondition", message, { reason: "TOO_MANY_AGENTS", details });
}
