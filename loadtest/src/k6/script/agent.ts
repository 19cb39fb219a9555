// One agent of a load test as a pure state: what it says next and what it makes of an answer, in the manner of opamp-go.
// No sockets, no timers, no clock: the k6 modules in loadtest/k6/lib feed it and send what it says. Much less of an agent
// than the one of @muster/simulator, so that one k6 can carry very many.
//
// Invariants
//   K1. `sequenceNum` is the number of the next message: it starts at 0 and grows by one with each, over reconnects too.
//   K2. The first message of an agent tells everything; after that only what changed, or everything when asked.

import { ProtocolError, parseUid } from "@muster/protocol";
import { createIdentity, type Identity } from "@muster/simulator";
import type { ConfigFile } from "./config.ts";
import { encodeReport, type Offer, type Reply } from "./report.ts";

/** Status of the last offer. */
export interface ConfigStatus {
  readonly status: "UNSET" | "APPLYING" | "APPLIED";
  readonly hash: Uint8Array;
}

/** Which parts a message has beside those that every one has. */
export interface Parts {
  readonly description?: boolean;
  readonly health?: boolean;
  readonly effectiveConfig?: boolean;
  readonly configStatus?: boolean;
  readonly disconnect?: boolean;
}

/** Everything about one agent. */
export interface AgentState {
  readonly identity: Identity;
  /** Non-identifying attributes beside those of the identity. */
  readonly extra: readonly (readonly [string, string])[];
  readonly uidBytes: Uint8Array;
  readonly startedAtMs: number;
  readonly sequenceNum: number;
  readonly health: { readonly healthy: boolean; readonly atMs: number };
  readonly status: ConfigStatus;
  /** Files of the config that was applied last. */
  readonly files: readonly ConfigFile[];
  /** The config that is being applied. */
  readonly applying: Offer | undefined;
  /** How often the config changed on the machine, without an offer. */
  readonly configChanges: number;
}

/** The agent after a step, and the message it sends, a body without header; undefined: none. */
export type Step = readonly [AgentState, Uint8Array<ArrayBuffer>];

const EVERYTHING = { description: true, health: true, effectiveConfig: true, configStatus: true } as const;

/** Agent number `index` of a seed: the same machine, under the same uid, in every run. */
export function createAgent(
  seed: number,
  index: number,
  extra: readonly (readonly [string, string])[],
  nowMs: number,
): AgentState {
  const identity = createIdentity(seed, index);
  const uidBytes = parseUid(identity.uid);
  if (uidBytes instanceof ProtocolError) throw uidBytes; // identities are ours: a bad one is a bug
  return {
    identity,
    extra,
    uidBytes,
    startedAtMs: nowMs,
    sequenceNum: 0,
    health: { healthy: true, atMs: nowMs },
    status: { status: "UNSET", hash: new Uint8Array() },
    files: [],
    applying: undefined,
    configChanges: 0,
  };
}

/** The first message on a connection: everything the first time, later nothing but that the agent is there. */
export function reportOnConnect(agent: AgentState): Step {
  return send(agent, agent.sequenceNum === 0 ? EVERYTHING : {});
}

/** A message without any change. */
export function reportHeartbeat(agent: AgentState): Step {
  return send(agent, {});
}

/** Everything, because the server asked. */
export function reportEverything(agent: AgentState): Step {
  return send(agent, EVERYTHING);
}

/** Health turns from good to bad or back. */
export function changeHealth(agent: AgentState, nowMs: number): Step {
  const health = { healthy: !agent.health.healthy, atMs: nowMs };
  return send({ ...agent, health }, { health: true });
}

/** Somebody edited the config on the machine. */
export function changeConfig(agent: AgentState): Step {
  return send({ ...agent, configChanges: agent.configChanges + 1 }, { effectiveConfig: true });
}

/** Says goodbye; the next message after this would be one of another process. */
export function reportDisconnect(agent: AgentState): Step {
  return send(agent, { disconnect: true });
}

/** Begins to apply what was offered. The same offer again is answered with how the first one went. */
export function takeOffer(agent: AgentState, offer: Offer): Step {
  if (sameBytes(offer.hash, agent.status.hash)) return send(agent, { configStatus: true });
  const status = { status: "APPLYING", hash: Uint8Array.from(offer.hash) } as const;
  // Copies: what was decoded are views into a buffer of the engine's.
  const files = offer.files.map(({ name, body }) => ({ name, body: Uint8Array.from(body) }));
  return send({ ...agent, status, applying: { hash: status.hash, files } }, { configStatus: true });
}

/** The config that was being applied runs now; undefined when none was. */
export function finishApplying(agent: AgentState): Step | undefined {
  if (agent.applying === undefined) return undefined;
  const { hash, files } = agent.applying;
  const applied: AgentState = { ...agent, status: { status: "APPLIED", hash }, files, applying: undefined };
  return send(applied, { configStatus: true, effectiveConfig: true });
}

/** Takes the uid that an answer gave, which counts from the next message on. */
export function takeUid(agent: AgentState, { newUid }: Reply): AgentState {
  return newUid?.length === 16 ? { ...agent, uidBytes: Uint8Array.from(newUid) } : agent;
}

function send(agent: AgentState, parts: Parts): Step {
  return [{ ...agent, sequenceNum: agent.sequenceNum + 1 }, encodeReport(agent, parts)]; // K1
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
