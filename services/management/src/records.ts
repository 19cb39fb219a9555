// Agents as the API reads them: the projector's record with the rollout worker's decision. Shared by lists and watches.

import { create } from "@bufbuild/protobuf";
import {
  type DesiredRecord,
  expandGroups,
  FleetError,
  type Group,
  groupsNamed,
  type InstanceUid,
  NO_METADATA,
  type Selector,
} from "@muster/fleet";
import { type Agent, AgentSchema } from "@muster/protocol/muster/agents";
import type { Agents, Documents, MetadataStore, VersionedView } from "@muster/store";
import { keptFields } from "./mask.ts";
import { toAgent, toMetadata } from "./translate-agent.ts";

/** Where records are read. */
export interface RecordDeps {
  readonly agents: Pick<Agents, "load" | "page" | "select">;
  /** Selectors may name groups. */
  readonly groups: Pick<Documents<Group>, "get">;
  readonly desired: { load(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]> };
  readonly metadata: Pick<MetadataStore, "load">;
  readonly nowMs: () => number;
}

/** Where one agent is looked up, by its uid or one that it had before. */
export interface FindAgent {
  get(uid: InstanceUid): Promise<VersionedView | undefined>;
}

/** An agent that must exist; its view has the uid that it goes on under. @throws FleetError `not_found` */
export async function existingAgent(agents: FindAgent, uid: InstanceUid): Promise<VersionedView> {
  const found = await agents.get(uid);
  if (found !== undefined) return found;
  const message = `No agent with instance uid ${uid} has reported; list the agents there are.`;
  throw new FleetError("not_found", message, { reason: "AGENT_NOT_FOUND", details: { instance_uid: uid } });
}

/** A selector with what its groups ask for in their place. @throws FleetError `invalid` when a group is not there */
export async function withGroups(groups: Pick<Documents<Group>, "get">, selector: Selector): Promise<Selector> {
  const named = groupsNamed(selector);
  if (named.length === 0) return selector;
  const found = await Promise.all(named.map((id) => groups.get(id)));
  const known = found.flatMap((stored) =>
    stored === undefined ? [] : [[stored.document.id, stored.document] as const],
  );
  return expandGroups(selector, new Map(known));
}

/** Those of some agents that a query selects, as they are now. */
export async function loadSelected(
  { agents }: RecordDeps,
  selector: Selector,
  uids: readonly InstanceUid[],
): Promise<readonly VersionedView[]> {
  return await agents.select(selector, await agents.load(uids));
}

/** Records in the API's words, with what each agent should run and what operators say of it; `keep` names the fields that are wanted. */
export async function toAgents(
  { desired, metadata, nowMs }: RecordDeps,
  found: readonly VersionedView[],
  keep: ReadonlySet<string> | "all" = "all",
): Promise<readonly Agent[]> {
  const uids = found.map(({ view }) => view.uid);
  const [wanted, said] = await Promise.all([desired.load(uids), metadata.load(uids)]);
  return found.map(({ view, version }, i) => {
    const agent = { ...toAgent(view, version, wanted[i] ?? null, nowMs()), ...toMetadata(said[i] ?? NO_METADATA) };
    return create(AgentSchema, keptFields(AgentSchema, agent, keep));
  });
}
