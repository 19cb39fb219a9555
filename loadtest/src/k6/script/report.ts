// Messages of a load test's agent as bytes, and the server's answers as plain values: the only file of the scripts that
// knows Protobuf. Pure.

import { create } from "@bufbuild/protobuf";
import {
  agentCapabilityMask,
  decodeServerBody,
  encodeAgentBody,
  encodeAttributes,
  ProtocolError,
} from "@muster/protocol";
import type { ComponentHealth } from "@muster/protocol/opamp";
import {
  AgentDescriptionSchema,
  AgentDisconnectSchema,
  AgentToServerSchema,
  ComponentHealthSchema,
  EffectiveConfigSchema,
  RemoteConfigStatuses,
  RemoteConfigStatusSchema,
  ServerToAgentFlags,
} from "@muster/protocol/opamp";
import type { AgentState, ConfigStatus, Parts } from "./agent.ts";
import { baseConfig, type ConfigFile } from "./config.ts";
import { encodeUtf8 } from "./text-encoding.ts";

/** What a server said, as far as these agents listen. */
export interface Reply {
  readonly asksFullState: boolean;
  /** The uid that the agent shall have from now on. */
  readonly newUid: Uint8Array | undefined;
  readonly offer: Offer | undefined;
  /** The server's sentence when it could not take the message; undefined when it could. */
  readonly error: string | undefined;
}

/** A config that the server wants the agent to run. */
export interface Offer {
  readonly hash: Uint8Array;
  readonly files: readonly ConfigFile[];
}

/**
 * What a supervisor can do that accepts configs. It does not accept connection settings: how often it beats and whom it
 * talks to is the test's business.
 */
const CAPABILITIES = agentCapabilityMask([
  "ReportsStatus",
  "AcceptsRemoteConfig",
  "ReportsEffectiveConfig",
  "ReportsHealth",
  "ReportsRemoteConfig",
  "ReportsHeartbeat",
]);

const STATUS_NUMBERS = {
  UNSET: RemoteConfigStatuses.RemoteConfigStatuses_UNSET,
  APPLYING: RemoteConfigStatuses.RemoteConfigStatuses_APPLYING,
  APPLIED: RemoteConfigStatuses.RemoteConfigStatuses_APPLIED,
} as const satisfies Record<ConfigStatus["status"], RemoteConfigStatuses>;

const PIPELINES = ["pipeline:traces", "pipeline:metrics", "pipeline:logs"];

/** One message of the agent with the parts that are asked for: a body for plain HTTP, or for a frame. */
export function encodeReport(agent: AgentState, parts: Parts): Uint8Array<ArrayBuffer> {
  return encodeAgentBody(
    create(AgentToServerSchema, {
      instanceUid: agent.uidBytes,
      sequenceNum: BigInt(agent.sequenceNum),
      capabilities: CAPABILITIES,
      ...(parts.description ? { agentDescription: buildDescription(agent) } : {}),
      ...(parts.health ? { health: buildHealth(agent) } : {}),
      ...(parts.effectiveConfig ? { effectiveConfig: buildEffective(agent) } : {}),
      ...(parts.configStatus ? { remoteConfigStatus: buildStatus(agent.status) } : {}),
      ...(parts.disconnect ? { agentDisconnect: create(AgentDisconnectSchema) } : {}),
    }),
  );
}

/** Reads the body of an answer or of a push; a ProtocolError when it is not one. */
export function decodeReply(body: Uint8Array): Reply | ProtocolError {
  const message = decodeServerBody(body);
  if (message instanceof ProtocolError) return message;
  const { flags, agentIdentification, remoteConfig, errorResponse } = message;
  return {
    asksFullState: (flags & BigInt(ServerToAgentFlags.ServerToAgentFlags_ReportFullState)) !== 0n,
    newUid: agentIdentification?.newInstanceUid,
    offer:
      remoteConfig === undefined
        ? undefined
        : {
            hash: remoteConfig.configHash,
            files: Object.entries(remoteConfig.config?.configMap ?? {}).map(([name, { body }]) => ({ name, body })),
          },
    error: errorResponse === undefined ? undefined : errorResponse.errorMessage,
  };
}

function buildDescription({ identity, extra }: AgentState) {
  return create(AgentDescriptionSchema, {
    identifyingAttributes: encodeAttributes([...identity.identifying, ["service.instance.id", identity.uid]]),
    nonIdentifyingAttributes: encodeAttributes([...identity.other, ...extra]),
  });
}

function buildHealth({ health, startedAtMs }: AgentState): ComponentHealth {
  const part = {
    healthy: health.healthy,
    status: health.healthy ? "StatusOK" : "StatusRecoverableError",
    statusTimeUnixNano: nanos(health.atMs),
  };
  return create(ComponentHealthSchema, {
    ...part,
    lastError: health.healthy ? "" : "exporter otlp: the queue is full",
    startTimeUnixNano: nanos(startedAtMs),
    componentHealthMap: Object.fromEntries(PIPELINES.map((name) => [name, create(ComponentHealthSchema, part)])),
  });
}

function buildEffective({ identity, files, configChanges }: AgentState) {
  const base = `${baseConfig(identity.uid)}# change ${configChanges}\n`;
  const all = [{ name: "", body: encodeUtf8(base) }, ...files];
  return create(EffectiveConfigSchema, {
    configMap: {
      configMap: Object.fromEntries(all.map(({ name, body }) => [name, { body, contentType: "text/yaml" }])),
    },
  });
}

function buildStatus({ status, hash }: ConfigStatus) {
  return create(RemoteConfigStatusSchema, { lastRemoteConfigHash: hash, status: STATUS_NUMBERS[status] });
}

function nanos(atMs: number): bigint {
  return BigInt(Math.trunc(atMs)) * 1_000_000n;
}
