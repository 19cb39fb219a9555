// Whether an agent is offered connection settings or packages now, and which parts of them. Pure, one decision with its
// reason; outgoing.ts asks after everything that could change the answer. Configs are offer.ts's.
//
// What deployed agents taught: an offer of connection settings makes most of them connect anew, whatever its hash, and
// few ever say that they have it, so it is made once per change and never on every connect (R111).
// Nothing of this is offered while a config is being applied: the supervisor restarts the Collector for both, and would
// report the config's fate for the other's sake (5.4, 7b).

import { createHash } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { SettingsKind, Transport } from "@muster/fleet";
import { hasCapability, mayOffer } from "@muster/protocol";
import { type ConnectionSettingsOffers, ConnectionSettingsOffersSchema } from "@muster/protocol/opamp";
import type { Known, SentSettings } from "./known.ts";
import { mayBeLost } from "./offer.ts";

/** A kind of connection within an offer, by its field. */
type ConnectionPart = "opamp" | "ownMetrics" | "ownTraces" | "ownLogs" | "otherConnections";

/** Connection settings that an operator wants an agent to have, part by part. */
export interface WantedConnection {
  readonly hash: string;
  /** The interval that it brings; 0 when it brings none. */
  readonly heartbeatMs: number;
  /** Each encoded alone; protobuf messages concatenate. */
  readonly parts: ReadonlyMap<ConnectionPart, Uint8Array>;
}

/** What an operator wants an agent to have beside its config. */
export interface Wanted {
  readonly connection: WantedConnection | null;
  readonly packages: SettingsOffer | null;
}

/** Nobody wants anything. */
export const NOTHING_WANTED: Wanted = { connection: null, packages: null };

/** What is to be sent: a ConnectionSettingsOffers or PackagesAvailable, and the hash that names it. */
export interface SettingsOffer {
  readonly hash: string;
  readonly body: Uint8Array;
}

/** What the decisions rest on. */
export interface SettingsInput {
  readonly known: Known;
  readonly wanted: Wanted;
  readonly transport: Transport;
  readonly epoch: number;
  readonly hasRestarted: boolean;
  readonly nowMs: number;
}

/** The decision, with why not. */
export type SettingsDecision =
  | { readonly kind: "offer"; readonly offer: SettingsOffer }
  | {
      readonly kind: "none";
      readonly why: "no_opinion" | "incapable" | "current" | "failed" | "already_offered" | "busy";
    };

/** An agent that says what it received and has not said it of this offer is offered it again after so long. */
const REPEAT_CONNECTION_MS = 10 * 60_000;
/** How long an offered config is waited for, and how long one that is being applied. */
const CONFIG_ANSWER_MS = 60_000;
const CONFIG_APPLY_MS = 10 * 60_000;

const PARTS: readonly ConnectionPart[] = ["opamp", "ownMetrics", "ownTraces", "ownLogs", "otherConnections"];

/** Reads what the store keeps. */
export function parseWanted({ connection, packages }: Readonly<Record<SettingsKind, SettingsOffer | null>>): Wanted {
  return { connection: connection === null ? null : splitConnection(connection), packages };
}

function splitConnection({ hash, body }: SettingsOffer): WantedConnection {
  const all: ConnectionSettingsOffers = fromBinary(ConnectionSettingsOffersSchema, body);
  const parts = new Map<ConnectionPart, Uint8Array>();
  for (const name of PARTS) {
    const part = create(ConnectionSettingsOffersSchema);
    if (name === "otherConnections") part.otherConnections = all.otherConnections;
    else if (name === "opamp") part.opamp = all.opamp;
    else part[name] = all[name];
    const bytes = toBinary(ConnectionSettingsOffersSchema, part);
    if (bytes.byteLength > 0) parts.set(name, bytes);
  }
  return { hash, parts, heartbeatMs: Number(all.opamp?.heartbeatIntervalSeconds ?? 0n) * 1_000 };
}

/** Whether an agent with these capabilities is offered this part (R55, and R141 for the heartbeat interval). */
function accepts(capabilities: bigint, part: ConnectionPart): boolean {
  switch (part) {
    case "opamp":
      return mayOffer(capabilities, "opampConnection") || hasCapability(capabilities, "ReportsHeartbeat");
    case "ownMetrics":
      return mayOffer(capabilities, "ownMetricsConnection");
    case "ownTraces":
      return mayOffer(capabilities, "ownTracesConnection");
    case "ownLogs":
      return mayOffer(capabilities, "ownLogsConnection");
    case "otherConnections":
      return mayOffer(capabilities, "otherConnections");
  }
}

/** Decides on connection settings. */
export function decideConnection(input: SettingsInput): SettingsDecision {
  const { known, wanted } = input;
  if (wanted.connection === null) return { kind: "none", why: "no_opinion" };
  const chosen = [...wanted.connection.parts].filter(([part]) => accepts(known.capabilities, part));
  if (chosen.length === 0) return { kind: "none", why: "incapable" };
  // What an agent was offered in part must be offered under another hash when it learns more (R53).
  const isAll = takesAll(known.capabilities, wanted.connection);
  const isWhole = isAll && chosen.length === wanted.connection.parts.size;
  const hash = isWhole ? wanted.connection.hash : partialHash(wanted.connection.hash, chosen, isAll);
  const { received, sent, certified } = known;
  // The certificate that it asked for came with these very settings.
  const isCertified = certified !== null && certified.over === wanted.connection.hash;
  if (isCertified && received.connection?.hash === certified.hash) return { kind: "none", why: "current" };
  if (received.connection?.hash === hash)
    return { kind: "none", why: received.connection.hasFailed ? "failed" : "current" };
  const last = sent.connection;
  if (last?.hash === hash && !mayRepeatConnection(input, last)) return { kind: "none", why: "already_offered" };
  if (isBusy(input)) return { kind: "none", why: "busy" };
  const hashBytes = Buffer.from(hash, "hex");
  const head = toBinary(ConnectionSettingsOffersSchema, create(ConnectionSettingsOffersSchema, { hash: hashBytes }));
  return { kind: "offer", offer: { hash, body: Buffer.concat([head, ...chosen.map(([, bytes]) => bytes)]) } };
}

/** To an agent that says what it has (R102): once more when it comes back, and then only now and then, for it may come back because of it. */
function mayRepeatConnection({ known, epoch, nowMs }: SettingsInput, last: SentSettings): boolean {
  if (!hasCapability(known.capabilities, "ReportsConnectionSettingsStatus")) return false;
  return (last.epoch !== epoch && last.repeats === 0) || nowMs >= last.atMs + REPEAT_CONNECTION_MS;
}

/** Decides on packages (R93: the hash that the agent last received is not ours). */
export function decidePackages(input: SettingsInput): SettingsDecision {
  const { known, wanted } = input;
  if (wanted.packages === null) return { kind: "none", why: "no_opinion" };
  if (!mayOffer(known.capabilities, "packagesAvailable")) return { kind: "none", why: "incapable" };
  const { hash } = wanted.packages;
  if (known.received.packages?.hash === hash) return { kind: "none", why: "current" };
  const last = known.sent.packages;
  if (last?.hash === hash && !mayBeLost(last, input)) return { kind: "none", why: "already_offered" };
  if (isBusy(input)) return { kind: "none", why: "busy" };
  return { kind: "offer", offer: wanted.packages };
}

/** A config is on its way or being applied; neither is waited for without end. */
function isBusy({ known, nowMs }: SettingsInput): boolean {
  const { acknowledged, offered, capabilities } = known;
  if (offered === null) return false;
  if (acknowledged?.isApplying === true) return nowMs < offered.atMs + CONFIG_APPLY_MS;
  const isUnanswered = acknowledged?.hash !== offered.hash && hasCapability(capabilities, "ReportsRemoteConfig");
  return isUnanswered && nowMs < offered.atMs + CONFIG_ANSWER_MS;
}

/** Of an opamp part only the heartbeat interval is taken by an agent that reports heartbeats and no more. */
function takesAll(capabilities: bigint, { parts }: WantedConnection): boolean {
  return !parts.has("opamp") || mayOffer(capabilities, "opampConnection");
}

function partialHash(
  whole: string,
  chosen: readonly (readonly [ConnectionPart, Uint8Array])[],
  isAll: boolean,
): string {
  const hash = createHash("sha256").update(`${whole}\0${isAll}`);
  for (const [part] of chosen) hash.update(`\0${part}`);
  return hash.digest("hex");
}
