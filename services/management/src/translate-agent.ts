// Agents in the API's words: fleet → proto. Pure. The other direction does not exist: agents are observed.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromMs, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type AckState,
  type ActionKind,
  type AgentView,
  type Attempt,
  type Attributes,
  type AttributeValue,
  type Connection,
  type DesiredRecord,
  type Health,
  type Transport,
  updatedAtMs,
} from "@muster/fleet";
import {
  type Action,
  ActionSchema,
  type AgentConnectionSchema,
  type AgentHealthSchema,
  type AgentSchema,
  AttemptSchema,
  type ConfigContributionSchema,
  ActionKind as ProtoActionKind,
  type Attempt as ProtoAttempt,
  Transport as ProtoTransport,
  RemoteConfigState,
} from "@muster/protocol/muster/agents";
import { type ConfigFile, ConfigFileSchema } from "@muster/protocol/muster/configs";

type AgentInit = MessageInitShape<typeof AgentSchema>;

const TRANSPORT = {
  websocket: ProtoTransport.WEBSOCKET,
  http: ProtoTransport.HTTP,
} as const satisfies Record<Transport, ProtoTransport>;

const ACK_STATE = {
  unset: RemoteConfigState.UNSPECIFIED,
  applied: RemoteConfigState.APPLIED,
  applying: RemoteConfigState.APPLYING,
  failed: RemoteConfigState.FAILED,
} as const satisfies Record<AckState, RemoteConfigState>;

const ACTION_KIND = {
  restart: ProtoActionKind.RESTART,
  refresh: ProtoActionKind.REFRESH,
  custom_message: ProtoActionKind.CUSTOM_MESSAGE,
} as const satisfies Record<ActionKind, ProtoActionKind>;

/** An agent as a list shows it: without its effective config's files and its attempts. */
export function toAgent(view: AgentView, version: number, desired: DesiredRecord | null): AgentInit {
  const { connection, description, health, acknowledgement, effectiveConfig } = view;
  return {
    instanceUid: view.uid,
    etag: desired === null ? `${version}` : `${version}-${desired.assignedAtMs}`,
    identifyingAttributes: toAttributes(description?.value.identifying ?? []),
    nonIdentifyingAttributes: toAttributes(description?.value.nonIdentifying ?? []),
    capabilities: [...(view.capabilities?.value ?? [])],
    ...(connection !== null && { connection: toConnection(connection.value) }),
    ...(health !== null && { health: toHealth(health.value) }),
    ...(acknowledgement !== null && {
      remoteConfigStatus: {
        state: ACK_STATE[acknowledgement.value.state],
        hash: acknowledgement.value.hash,
        errorMessage: acknowledgement.value.error,
        reportTime: timestampFromMs(acknowledgement.atMs),
      },
    }),
    ...(desired !== null && { desiredConfig: toDesiredConfig(desired) }),
    ...(effectiveConfig !== null && {
      effectiveConfig: { hash: effectiveConfig.value.body, sizeBytes: BigInt(effectiveConfig.value.sizeBytes) },
    }),
    firstSeenTime: timestampFromMs(view.firstSeenAtMs),
    updateTime: timestampFromMs(updatedAtMs(view)),
  };
}

/** The tries of an agent, newest first. */
export function toAttempts(attempts: readonly Attempt[]): ProtoAttempt[] {
  return attempts.toReversed().map(({ hash, number, offeredAtMs, answer }) =>
    create(AttemptSchema, {
      hash,
      number,
      offerTime: timestampFromMs(offeredAtMs),
      state: ACK_STATE[answer?.state ?? "unset"],
      errorMessage: answer?.error ?? "",
      ...(answer !== null && { reportTime: timestampFromMs(answer.atMs) }),
    }),
  );
}

/** Something an agent was asked, or is to be: `atMs` is null while it was not sent. */
export function toAction({
  actionId,
  action,
  atMs,
}: {
  readonly actionId: string;
  readonly action: ActionKind;
  readonly atMs: number | null;
}): Action {
  const sendTime = atMs === null ? undefined : timestampFromMs(atMs);
  return create(ActionSchema, { actionId, kind: ACTION_KIND[action], ...(sendTime !== undefined && { sendTime }) });
}

/** The files of a stored effective config, as the gateway wrote them: `[[name, content type, base64], …]`. */
export function toEffectiveFiles(body: Uint8Array): ConfigFile[] {
  const files = JSON.parse(Buffer.from(body).toString()) as readonly (readonly [string, string, string])[];
  return files.map(([name, contentType, base64]) =>
    create(ConfigFileSchema, { name, contentType, body: Buffer.from(base64, "base64") }),
  );
}

function toConnection(connection: Connection): MessageInitShape<typeof AgentConnectionSchema> {
  const { gateway, transport, remoteAddress, connectedAtMs, ended } = connection;
  return {
    connected: ended === null,
    gatewayId: gateway ?? "",
    transport: transport === null ? ProtoTransport.UNSPECIFIED : TRANSPORT[transport],
    remoteAddress,
    connectTime: timestampFromMs(connectedAtMs),
    ...(ended !== null && { disconnectTime: timestampFromMs(ended.atMs), disconnectReason: ended.reason }),
  };
}

function toHealth(health: Health): MessageInitShape<typeof AgentHealthSchema> {
  const startTime = toTimestamp(health.startTimeUnixNano);
  const statusTime = toTimestamp(health.statusTimeUnixNano);
  return {
    healthy: health.healthy,
    status: health.status,
    lastError: health.lastError,
    ...(startTime !== null && { startTime }),
    ...(statusTime !== null && { statusTime }),
    components: Object.fromEntries(health.components.map(([name, part]) => [name, toHealth(part)])),
  };
}

/** Nanoseconds since 1970 as decimal text; 0 is "not known". */
function toTimestamp(unixNano: string): Timestamp | null {
  const nanos = BigInt(unixNano);
  if (nanos === 0n) return null;
  return create(TimestampSchema, { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) });
}

function toDesiredConfig({ hash, contributions, assignedAtMs }: DesiredRecord) {
  return { hash, contributions: contributions.map(toContribution), assignTime: timestampFromMs(assignedAtMs) };
}

function toContribution(
  part: DesiredRecord["contributions"][number],
): MessageInitShape<typeof ConfigContributionSchema> {
  return { configId: part.configId, revision: BigInt(part.revision), rolloutId: part.rolloutId };
}

/** Keys come from outside and may be `__proto__`, which fromEntries takes as any other. */
function toAttributes(attributes: Attributes): { [key: string]: Value } {
  return Object.fromEntries(attributes.map(([key, value]) => [key, toValue(value)]));
}

function toValue(value: AttributeValue): Value {
  if (value === null) return create(ValueSchema, { kind: { case: "nullValue", value: 0 } });
  switch (typeof value) {
    case "string":
      return create(ValueSchema, { kind: { case: "stringValue", value } });
    case "number":
      return create(ValueSchema, { kind: { case: "numberValue", value } });
    case "boolean":
      return create(ValueSchema, { kind: { case: "boolValue", value } });
    default:
      return toStructure(value);
  }
}

function toStructure(value: Exclude<AttributeValue, string | number | boolean | null>): Value {
  if (Array.isArray(value)) {
    return create(ValueSchema, { kind: { case: "listValue", value: { values: value.map(toValue) } } });
  }
  const fields = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toValue(part)]));
  return create(ValueSchema, { kind: { case: "structValue", value: { fields } } });
}
