// What one agent is asked once: to restart, to tell everything again, to take a custom message. Checked here, left in
// the store, sent by the gateway that holds the agent. At most once on purpose: OpAMP knows no acknowledgement, so
// nothing here is repeated. A request id makes a repeated call harmless; it does not make the agent hear.

import {
  type ActionKind,
  type AgentView,
  FleetError,
  hasCapability,
  type InstanceUid,
  isConnected,
} from "@muster/fleet";
import { OFFER_REQUIRES } from "@muster/protocol";
import type { Action } from "@muster/protocol/muster/agents";
import { ACTION_LIFE_MS, type Actions, type Gateways, MAX_ACTION_BYTES, type QueuedAction } from "@muster/store";
import { checked, invalid, parseText } from "./checked.ts";
import { existingAgent, type FindAgent } from "./records.ts";
import { toAction } from "./translate-agent.ts";

/** What asking needs. */
export interface ActionDeps {
  readonly agents: FindAgent;
  readonly actions: Pick<Actions, "enqueue">;
  readonly gateways: Pick<Gateways, "hint">;
  readonly nowMs: () => number;
  readonly newActionId: () => string;
}

/** A custom message. */
export type Message = NonNullable<QueuedAction["message"]>;

const MAX_NAME_CHARS = 255;

/** Leaves something that the agent is to be asked, and tells its gateway; or only checks whether it could. @throws FleetError `not_found`, `failed_precondition`, `exhausted` */
export async function ask(
  deps: ActionDeps,
  given: InstanceUid,
  kind: ActionKind,
  { message = null, validateOnly }: { readonly message?: Message | null; readonly validateOnly: boolean },
): Promise<Action> {
  const { view } = await existingAgent(deps.agents, given);
  checkAble(view, kind, message);
  if (validateOnly) return toAction({ actionId: "", action: kind, atMs: null });
  const { uid } = view;
  const expiresAtMs = deps.nowMs() + ACTION_LIFE_MS;
  const action: QueuedAction = { actionId: deps.newActionId(), kind, expiresAtMs, message };
  const left = await deps.actions.enqueue(uid, action);
  if (left === "not_connected") throw notConnected(uid);
  if (left === "full") throw tooMany(uid);
  await deps.gateways.hint(left, { kind: "actions", uid });
  return toAction({ actionId: action.actionId, action: kind, atMs: null });
}

/** The custom message of a request. @throws FleetError `invalid` */
export function parseMessage(capability: string, type: string, data: Uint8Array): Message {
  return checked({
    capability: () => parseCapability(capability),
    type: () => parseText("type", type, MAX_NAME_CHARS),
    data: () => parseData(data),
  });
}

function parseCapability(capability: string): string {
  if (capability !== "") return parseText("capability", capability, MAX_NAME_CHARS);
  throw invalid("capability", "name one of the agent's custom_capabilities.");
}

function parseData(data: Uint8Array): Uint8Array {
  if (data.byteLength <= MAX_ACTION_BYTES) return data;
  throw invalid("data", `${data.byteLength} bytes are more than the ${MAX_ACTION_BYTES} a message may carry.`);
}

function checkAble(view: AgentView, kind: ActionKind, message: Message | null): void {
  const { uid } = view;
  if (!isConnected(view)) throw notConnected(uid);
  if (kind === "restart" && !hasCapability(view, OFFER_REQUIRES.command)) {
    const text = `Agent ${uid} lacks ${OFFER_REQUIRES.command} and would ignore the command; restart it where it runs.`;
    throw unable("AGENT_LACKS_CAPABILITY", text, { instance_uid: uid, capabilities: OFFER_REQUIRES.command });
  }
  const listed = view.customCapabilities?.value ?? [];
  if (message === null || listed.includes(message.capability)) return;
  const remedy = listed.length === 0 ? "it lists none" : `use one of ${listed.join(", ")}`;
  const text = `Agent ${uid} does not list the custom capability "${message.capability}"; ${remedy}.`;
  throw unable("AGENT_LACKS_CAPABILITY", text, { instance_uid: uid, capabilities: message.capability });
}

function notConnected(uid: string): FleetError {
  const message = `Agent ${uid} is not connected, and what is asked once does not wait; ask again when it is back.`;
  return unable("AGENT_NOT_CONNECTED", message, { instance_uid: uid });
}

function unable(reason: string, message: string, details: Readonly<Record<string, string>>): FleetError {
  return new FleetError("failed_precondition", message, { reason, details });
}

function tooMany(uid: string): FleetError {
  const message = `Too much waits to be sent to agent ${uid} already; wait until its gateway has sent some of it.`;
  return new FleetError("exhausted", message, { reason: "ACTIONS_FULL", details: { instance_uid: uid } });
}
