// Agents in the API's words: fleet → proto. Pure. The other direction does not exist: agents are observed.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ActionKind,
  type AgentView,
  type Attempt,
  type Connection,
  type DesiredRecord,
  decodeEffective,
  type Health,
  lastSeenAtMs,
  type Metadata,
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
} from "@muster/protocol/muster/agents";
import { type ConfigFile, ConfigFileSchema } from "@muster/protocol/muster/configs";
import { toDrift } from "./translate-drift.ts";
import { toUsage } from "./translate-history.ts";
import {
  ACK_STATES,
  toComponentsRef,
  toConnectionSettingsStatus,
  toPackageStatuses,
  toSentOffer,
} from "./translate-reports.ts";
import { toAttributes } from "./translate-value.ts";

type AgentInit = MessageInitShape<typeof AgentSchema>;

const TRANSPORT = {
  websocket: ProtoTransport.WEBSOCKET,
  http: ProtoTransport.HTTP,
} as const satisfies Record<Transport, ProtoTransport>;

const ACTION_KIND = {
  restart: ProtoActionKind.RESTART,
  refresh: ProtoActionKind.REFRESH,
  custom_message: ProtoActionKind.CUSTOM_MESSAGE,
} as const satisfies Record<ActionKind, ProtoActionKind>;

/** An agent as a list shows it: without what takes reading bodies (details.ts) and without histories. */
export function toAgent(view: AgentView, version: number, desired: DesiredRecord | null, nowMs: number): AgentInit {
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
        state: ACK_STATES[acknowledgement.value.state],
        hash: acknowledgement.value.hash,
        errorMessage: acknowledgement.value.error,
        reportTime: timestampFromMs(acknowledgement.atMs),
      },
    }),
    ...(desired !== null && { desiredConfig: toDesiredConfig(desired) }),
    ...(effectiveConfig !== null && {
      effectiveConfig: { hash: effectiveConfig.value.body, sizeBytes: BigInt(effectiveConfig.value.sizeBytes) },
    }),
    ...(view.drift !== null && { configDrift: toDrift(view.drift) }),
    ...toLife(view, nowMs),
    ...toOtherReports(view),
  };
}

/** When it was there, and how it fared. */
function toLife(view: AgentView, nowMs: number) {
  const usage = toUsage(view);
  return {
    firstSeenTime: timestampFromMs(view.firstSeenAtMs),
    updateTime: timestampFromMs(updatedAtMs(view)),
    lastSeenTime: timestampFromMs(lastSeenAtMs(view, nowMs)),
    restartCount: view.runs?.restarts ?? 0,
    ...(usage !== null && { resourceUsage: usage }),
  };
}

/** What operators say of an agent. */
export function toMetadata({ generation, labels, annotations }: Metadata) {
  return {
    labels: Object.fromEntries(labels),
    annotations: Object.fromEntries(annotations),
    metadataGeneration: BigInt(generation),
  };
}

/** What has nothing to do with configs. */
function toOtherReports(view: AgentView) {
  const { packages, connectionSettings, components, connectionOffer, packagesOffer } = view;
  return {
    ...(packages !== null && { packageStatuses: toPackageStatuses(packages) }),
    ...(connectionSettings !== null && { connectionSettingsStatus: toConnectionSettingsStatus(connectionSettings) }),
    customCapabilities: [...(view.customCapabilities?.value ?? [])],
    ...(components !== null && { availableComponents: toComponentsRef(components) }),
    previousInstanceUids: [...view.previousUids],
    ...(connectionOffer !== null && { connectionSettingsOffer: toSentOffer(connectionOffer) }),
    ...(packagesOffer !== null && { packagesOffer: toSentOffer(packagesOffer) }),
  };
}

/** The tries of an agent, newest first. */
export function toAttempts(attempts: readonly Attempt[]): ProtoAttempt[] {
  return attempts.toReversed().map(({ hash, number, offeredAtMs, answer }) =>
    create(AttemptSchema, {
      hash,
      number,
      offerTime: timestampFromMs(offeredAtMs),
      state: ACK_STATES[answer?.state ?? "unset"],
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

/** The files of a stored effective config. */
export function toEffectiveFiles(body: Uint8Array): ConfigFile[] {
  return decodeEffective(body).map((file) => create(ConfigFileSchema, { ...file, body: Uint8Array.from(file.body) }));
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
    attributes: toAttributes(health.attributes ?? []),
  };
}

/** Nanoseconds since 1970 as decimal text; 0 is "not known". */
function toTimestamp(unixNano: string): Timestamp | null {
  const nanos = BigInt(unixNano);
  if (nanos === 0n) return null;
  return create(TimestampSchema, { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) });
}

function toDesiredConfig({ hash, contributions, assignedAtMs, exclusions = [] }: DesiredRecord) {
  const assignTime = timestampFromMs(assignedAtMs);
  const excluded = exclusions.map(({ rolloutId, hash: failed, state, error, atMs }) => {
    return { rolloutId, hash: failed, state, errorMessage: error, time: timestampFromMs(atMs) };
  });
  return { hash, contributions: contributions.map(toContribution), assignTime, excluded };
}

function toContribution(
  part: DesiredRecord["contributions"][number],
): MessageInitShape<typeof ConfigContributionSchema> {
  return { configId: part.configId, revision: BigInt(part.revision), rolloutId: part.rolloutId };
}
