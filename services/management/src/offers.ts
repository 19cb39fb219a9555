// What is offered to one agent beside its config, kept as control state: connection settings and packages alike. Knows
// neither; connections.ts and packages.ts say what the bodies mean.

import { type AgentView, FleetError, type InstanceUid, type SettingsKind } from "@muster/fleet";
import type { Settings, SettingsRecord } from "@muster/store";
import { existingAgent, type FindAgent } from "./records.ts";

/** What offering needs. */
export interface OfferDeps {
  readonly agents: FindAgent;
  readonly settings: Pick<Settings, "change" | "load">;
  /** Asks the agent's gateway to look; never fails the caller, since the next report of the agent heals a lost hint. */
  hintSettings(uid: InstanceUid): void;
  readonly nowMs: () => number;
}

/** How one kind is called in sentences. */
const WORDS = {
  connection: { noun: "connection settings", reason: "CONNECTION_SETTINGS_NOT_FOUND" },
  packages: { noun: "packages", reason: "PACKAGES_NOT_FOUND" },
} as const satisfies Record<SettingsKind, { readonly noun: string; readonly reason: string }>;

/** Keeps an offer, unless it is only validated. The same offer again changes nothing. Answers what is offered. */
export async function offer(
  { settings, hintSettings, nowMs }: OfferDeps,
  kind: SettingsKind,
  { uid }: AgentView,
  fresh: Pick<SettingsRecord, "hash" | "body">,
  { expectedHash, validateOnly }: Guards,
): Promise<SettingsRecord> {
  const decide = (before: SettingsRecord | null): SettingsRecord => {
    mustStillBe(kind, uid, before, expectedHash);
    return before?.hash === fresh.hash ? before : { ...fresh, setAtMs: nowMs() };
  };
  if (validateOnly) return decide((await settings.load(uid))[kind]);
  const offered = await settings.change(uid, kind, decide);
  hintSettings(uid);
  return offered;
}

/** What is offered to an agent. @throws FleetError `not_found` */
export async function offered(deps: OfferDeps, kind: SettingsKind, given: InstanceUid): Promise<SettingsRecord> {
  const record = (await deps.settings.load(await presentUid(deps, given)))[kind];
  return record ?? (await notOffered(deps, kind, given));
}

/** Offers nothing any more. @throws FleetError `not_found`, `conflict` */
export async function withdraw(
  deps: OfferDeps,
  kind: SettingsKind,
  given: InstanceUid,
  { expectedHash, validateOnly }: Guards,
): Promise<void> {
  const uid = await presentUid(deps, given);
  let wasOffered = false;
  const decide = (before: SettingsRecord | null): null => {
    mustStillBe(kind, uid, before, expectedHash);
    wasOffered = before !== null;
    return null;
  };
  if (validateOnly) decide((await deps.settings.load(uid))[kind]);
  else await deps.settings.change(uid, kind, decide);
  if (!wasOffered) await notOffered(deps, kind, given);
  if (!validateOnly) deps.hintSettings(uid);
}

/** How requests guard what they change. */
export interface Guards {
  /** What is offered must have this hash; "" for whatever it is. */
  readonly expectedHash: string;
  readonly validateOnly: boolean;
}

function mustStillBe(kind: SettingsKind, uid: InstanceUid, present: SettingsRecord | null, expected: string): void {
  const hash = present?.hash ?? "";
  if (expected === "" || expected === hash) return;
  const now = hash === "" ? "nothing is" : `${hash} is`;
  const message = `Of ${WORDS[kind].noun} ${now} offered to agent ${uid}, not ${expected}; look again and repeat the change.`;
  const details = { instance_uid: uid, expected_hash: expected, hash };
  throw new FleetError("conflict", message, { reason: "HASH_MISMATCH", details });
}

/** @throws FleetError `failed_precondition` naming what the agent lacks */
export function lacksCapabilities(uid: string, kind: SettingsKind, missing: readonly string[]): FleetError {
  const { noun } = WORDS[kind];
  const names = missing.join(", ");
  const message = `Agent ${uid} takes none of these ${noun}: it lacks ${names}. Offer what it can take, or enable that at the agent.`;
  const details = { instance_uid: uid, capabilities: missing.join(",") };
  return new FleetError("failed_precondition", message, { reason: "AGENT_LACKS_CAPABILITY", details });
}

/** Offers outlive what is known of agents, so the uid counts as it is when nothing is known of it. */
async function presentUid({ agents }: OfferDeps, given: InstanceUid): Promise<InstanceUid> {
  return (await agents.get(given))?.view.uid ?? given;
}

async function notOffered({ agents }: OfferDeps, kind: SettingsKind, given: InstanceUid): Promise<never> {
  const { view } = await existingAgent(agents, given);
  const { noun, reason } = WORDS[kind];
  const message = `No ${noun} are offered to agent ${view.uid}; offer some first.`;
  throw new FleetError("not_found", message, { reason, details: { instance_uid: view.uid } });
}
