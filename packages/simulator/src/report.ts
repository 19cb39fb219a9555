// What an agent tells its server: from state and a set of fields to one AgentToServer message.
//
// Changes are sent at once while the link is ready and gathered while it is not, as the client library does:
// what a server sees after an outage is one message with the newest snapshot of everything that changed.

import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { AgentCapability } from "@muster/protocol";
import { encodeAttributes, hasCapability, ProtocolError, parseUid } from "@muster/protocol";
import type { AgentToServer, AvailableComponents, ComponentHealth, RemoteConfigStatus } from "@muster/protocol/opamp";
import {
  AgentDescriptionSchema,
  AgentDisconnectSchema,
  AgentToServerFlags,
  AgentToServerSchema,
  AvailableComponentsSchema,
  ComponentDetailsSchema,
  ComponentHealthSchema,
  EffectiveConfigSchema,
  PackageStatusesSchema,
  RemoteConfigStatuses,
  RemoteConfigStatusSchema,
} from "@muster/protocol/opamp";
import { COMPONENT_TYPES } from "./collector.ts";
import { renderEffective } from "./compose.ts";
import type { AgentState, ConfigStatus, Turn } from "./state.ts";
import { FIELD, update } from "./state.ts";

const FIRST =
  FIELD.description | FIELD.health | FIELD.effectiveConfig | FIELD.configStatus | FIELD.packages | FIELD.componentsHash;
const FULL = (FIRST & ~FIELD.componentsHash) | FIELD.components;

const STATUS_NUMBERS = {
  UNSET: RemoteConfigStatuses.RemoteConfigStatuses_UNSET,
  APPLIED: RemoteConfigStatuses.RemoteConfigStatuses_APPLIED,
  APPLYING: RemoteConfigStatuses.RemoteConfigStatuses_APPLYING,
  FAILED: RemoteConfigStatuses.RemoteConfigStatuses_FAILED,
} as const satisfies Record<ConfigStatus["status"], RemoteConfigStatuses>;

/** Tells the server some fields now, or as soon as the link allows. */
export function report(turn: Turn, fields: number): void {
  const { state } = turn;
  if (state.link === "ready" && !state.first) send(turn, fields);
  else update(turn, { dirty: state.dirty | fields });
}

/** The first message on a fresh link: everything for a new client, otherwise only what changed meanwhile. */
export function reportOnConnect(turn: Turn): void {
  update(turn, { link: "ready" });
  const fields = turn.state.first ? FIRST : 0;
  send(turn, fields);
}

/** Everything, components in full: the answer to ReportFullState. */
export function reportFullState(turn: Turn): void {
  report(turn, FULL);
}

/** A message although the link may be busy, for what cannot wait. Lost when there is no link. */
export function reportLast(turn: Turn, fields: number): void {
  if (turn.state.link !== "down") send(turn, fields);
}

function send(turn: Turn, fields: number): void {
  const { state } = turn;
  turn.effects.push({ kind: "send", message: buildMessage(state, fields | state.dirty, state.first) });
  update(turn, {
    sequenceNum: state.sequenceNum + 1,
    dirty: 0,
    first: false,
    link: state.behaviour.halfDuplex ? "busy" : "ready",
  });
  if (state.heartbeatMs > 0) turn.effects.push({ kind: "arm", timer: "heartbeat", afterMs: state.heartbeatMs });
}

function buildMessage(state: AgentState, fields: number, first: boolean): AgentToServer {
  const uid = parseUid(state.uid);
  if (uid instanceof ProtocolError) throw uid; // identities are ours: a bad one is a bug
  const message = create(AgentToServerSchema, {
    instanceUid: uid,
    sequenceNum: BigInt(state.sequenceNum),
    capabilities: state.behaviour.capabilities,
  });
  const can = (capability: AgentCapability): boolean => hasCapability(state.behaviour.capabilities, capability);
  if (fields & FIELD.description) message.agentDescription = buildDescription(state);
  if (fields & FIELD.health && can("ReportsHealth")) message.health = buildHealth(state);
  if (fields & FIELD.effectiveConfig && can("ReportsEffectiveConfig")) message.effectiveConfig = buildEffective(state);
  // Clients send UNSET in a full report even if they never report a config status.
  if (fields & FIELD.configStatus) message.remoteConfigStatus = buildStatus(state.status);
  if (fields & FIELD.packages) message.packageStatuses = create(PackageStatusesSchema);
  if (fields & (FIELD.componentsHash | FIELD.components) && can("ReportsAvailableComponents")) {
    message.availableComponents = buildComponents((fields & FIELD.components) !== 0);
  }
  if (fields & FIELD.disconnect) message.agentDisconnect = create(AgentDisconnectSchema);
  if (state.requestsUid && (first || (fields & FULL) === FULL)) {
    message.flags = BigInt(AgentToServerFlags.AgentToServerFlags_RequestInstanceUid);
  }
  return message;
}

function buildDescription(state: AgentState) {
  return create(AgentDescriptionSchema, {
    identifyingAttributes: encodeAttributes([...state.identity.identifying, ["service.instance.id", state.instanceId]]),
    nonIdentifyingAttributes: encodeAttributes(state.other),
  });
}

function buildHealth(state: AgentState): ComponentHealth {
  const { health, collector } = state;
  const statusTimeUnixNano = BigInt(Math.trunc(health.atMs)) * 1_000_000n;
  const part = { healthy: health.healthy, status: health.status, statusTimeUnixNano };
  // Components report through the Collector: without one there are none.
  const parts = collector.kind === "running" && health.status !== "" ? (state.effective?.parts ?? []) : [];
  return create(ComponentHealthSchema, {
    ...part,
    lastError: health.lastError,
    startTimeUnixNano: collector.kind === "running" ? BigInt(Math.trunc(collector.startedAtMs)) * 1_000_000n : 0n,
    componentHealthMap: Object.fromEntries(parts.map((name) => [name, create(ComponentHealthSchema, part)])),
  });
}

function buildEffective(state: AgentState) {
  const text = state.effective === undefined ? "" : renderEffective(state.effective, state);
  const file = { body: Buffer.from(text), contentType: state.behaviour.effectiveContentType };
  return create(EffectiveConfigSchema, { configMap: { configMap: { "": file } } });
}

function buildStatus(status: ConfigStatus): RemoteConfigStatus {
  return create(RemoteConfigStatusSchema, {
    lastRemoteConfigHash: Buffer.from(status.hash, "hex"),
    status: STATUS_NUMBERS[status.status],
    errorMessage: status.error,
  });
}

function buildComponents(full: boolean): AvailableComponents {
  const hash = createHash("sha256").update(JSON.stringify(COMPONENT_TYPES)).digest();
  if (!full) return create(AvailableComponentsSchema, { hash });
  const components = Object.entries(COMPONENT_TYPES).map(([section, types]) => {
    const parts = types.map((type) => {
      const namespace = `example.com/collector/${section.slice(0, -1)}/${type}`;
      return [type, create(ComponentDetailsSchema, { metadata: encodeAttributes([["code.namespace", namespace]]) })];
    });
    return [section, create(ComponentDetailsSchema, { subComponentMap: Object.fromEntries(parts) })];
  });
  return create(AvailableComponentsSchema, { components: Object.fromEntries(components), hash });
}
