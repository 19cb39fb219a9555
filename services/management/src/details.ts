// What only GetAgent tells of an agent: its histories, who owns it, and the bodies that its record refers to. Reads no body that the
// caller's read mask leaves out.

import { create } from "@bufbuild/protobuf";
import { type AgentView, type CustomMessage, claimOf, claims } from "@muster/fleet";
import { type Agent, AvailableComponentsSchema, ConfigDriftSchema } from "@muster/protocol/muster/agents";
import type { Comparison, DesiredConfigs, Partition } from "@muster/store";
import { toAction, toAttempts, toEffectiveFiles } from "./translate-agent.ts";
import { toDifferences } from "./translate-drift.ts";
import { toComponents, toCustomMessage } from "./translate-reports.ts";

/** Where bodies are read. */
export interface DetailDeps {
  readonly bodies: { get(partition: Partition, address: string): Promise<Uint8Array | undefined> };
  readonly inventories: { get(address: string): Promise<Uint8Array | undefined> };
  readonly desired: Pick<DesiredConfigs, "load">;
  readonly comparison: Pick<Comparison, "differences">;
  partitionOf(uid: AgentView["uid"]): Partition;
  /** The name of the credentials that own the uid; "" when nobody authenticated for it. */
  ownerIdentity(uid: AgentView["uid"]): Promise<string>;
}

/** Many clients refuse answers beyond 4 MiB: of custom messages, the newest are told with their content up to this. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

/** Adds to an agent what lists leave out, as far as `keep` asks for it. */
export async function addDetails(
  deps: DetailDeps,
  agent: Agent,
  view: AgentView,
  keep: ReadonlySet<string> | "all",
): Promise<void> {
  const { bodies, inventories, partitionOf, ownerIdentity } = deps;
  const partition = partitionOf(view.uid);
  const read = (address: string): Promise<Uint8Array | undefined> => bodies.get(partition, address);
  const isKept = (name: string): boolean => keep === "all" || keep.has(name);
  if (isKept("config_drift")) await addDrift(deps, agent, view);
  if (isKept("attempts")) agent.attempts = toAttempts(view.attempts);
  if (isKept("actions")) agent.actions = view.actions.toReversed().map(toAction);
  const { effectiveConfig, components } = view;
  if (effectiveConfig !== null && isKept("effective_config")) {
    const body = await read(effectiveConfig.value.body);
    if (body !== undefined && agent.effectiveConfig !== undefined) agent.effectiveConfig.files = toEffectiveFiles(body);
  }
  if (components !== null && isKept("available_components")) {
    const body = await inventories.get(components.value.address);
    agent.availableComponents ??= create(AvailableComponentsSchema);
    if (body !== undefined) agent.availableComponents.components = toComponents(body);
  }
  if (isKept("owner")) agent.owner = await ownerIdentity(view.uid);
  if (isKept("unrecognized")) agent.unrecognized = await readUnrecognized(view, read);
  if (isKept("custom_messages")) agent.customMessages = await readMessages(view.customMessages, read);
}

/** As they are now: the view may have been compared before something else was assigned. */
async function addDrift({ desired, comparison }: DetailDeps, agent: Agent, view: AgentView): Promise<void> {
  const [wanted = null] = await desired.load([view.uid]);
  if (wanted === null || !claims(claimOf(view), wanted)) return;
  const differences = await comparison.differences(view, wanted);
  if (differences !== null) agent.configDrift = create(ConfigDriftSchema, toDifferences(wanted.hash, differences));
}

type Read = (address: string) => Promise<Uint8Array | undefined>;

async function readUnrecognized(view: AgentView, read: Read): Promise<{ [part: string]: Uint8Array }> {
  const parts = await Promise.all(
    view.unrecognized.map(async ({ part, body }) => [part, body === null ? undefined : await read(body)] as const),
  );
  return Object.fromEntries(
    parts.flatMap(([part, body]) => (body === undefined ? [] : [[part, Uint8Array.from(body)]])),
  );
}

async function readMessages(messages: readonly CustomMessage[], read: Read): Promise<Agent["customMessages"]> {
  let room = MAX_MESSAGE_BYTES;
  const told = messages.toReversed().map(async (message) => {
    room -= message.sizeBytes;
    return toCustomMessage(message, message.body === null || room < 0 ? undefined : await read(message.body));
  });
  return await Promise.all(told);
}
