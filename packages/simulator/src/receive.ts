// What an agent does with a message from its server: commands, a new uid, offers and flags, in the order and
// with the omissions of the client library. Applying a config is apply.ts's part.

import type { AgentCapability } from "@muster/protocol";
import { formatUid, hasCapability, ProtocolError } from "@muster/protocol";
import type { ConnectionSettingsOffers, OpAMPConnectionSettings, ServerToAgent } from "@muster/protocol/opamp";
import { ServerToAgentFlags } from "@muster/protocol/opamp";
import { changeOwnTelemetry, restartForChange, startCollector, stopCollector, takeOffer } from "./apply.ts";
import type { OwnTelemetry } from "./compose.ts";
import { report, reportFullState, reportLast } from "./report.ts";
import type { Turn } from "./state.ts";
import { FIELD, update } from "./state.ts";

/** Takes a message of the server. error_response is ignored, as common clients do. */
export function receive(turn: Turn, message: ServerToAgent): void {
  if (turn.state.phase !== "up") return;
  const can = (capability: AgentCapability): boolean => hasCapability(turn.state.behaviour.capabilities, capability);
  if (message.command !== undefined && can("AcceptsRestartCommand")) {
    stopCollector(turn);
    startCollector(turn); // the rest of the message is dropped
    return;
  }
  if (message.agentIdentification !== undefined) takeUid(turn, message.agentIdentification.newInstanceUid);
  if (message.remoteConfig !== undefined && can("AcceptsRemoteConfig")) takeOffer(turn, message.remoteConfig);
  if (message.connectionSettings !== undefined) takeConnectionSettings(turn, message.connectionSettings);
  answerFlags(turn, message.flags);
}

function answerFlags(turn: Turn, flags: bigint): void {
  if (flags & BigInt(ServerToAgentFlags.ServerToAgentFlags_ReportFullState)) {
    reportFullState(turn);
    return;
  }
  if (flags & BigInt(ServerToAgentFlags.ServerToAgentFlags_ReportAvailableComponents)) report(turn, FIELD.components);
}

function takeUid(turn: Turn, bytes: Uint8Array): void {
  const uid = formatUid(bytes);
  if (uid instanceof ProtocolError || uid === turn.state.uid) return;
  update(turn, { uid, requestsUid: false });
  report(turn, FIELD.description); // service.instance.id stays until the next start
  // An extension cannot restart the Collector that it lives in.
  if (turn.state.behaviour.keepsUid && turn.state.collector.kind !== "stopped") {
    restartForChange(turn, turn.state.current);
  }
}

function takeConnectionSettings(turn: Turn, offer: ConnectionSettingsOffers): void {
  const can = (capability: AgentCapability): boolean => hasCapability(turn.state.behaviour.capabilities, capability);
  if (offer.opamp !== undefined) takeOpampSettings(turn, offer.opamp, can("AcceptsOpAMPConnectionSettings"));
  const own: OwnTelemetry = [
    ["metrics", can("ReportsOwnMetrics") ? offer.ownMetrics : undefined] as const,
    ["traces", can("ReportsOwnTraces") ? offer.ownTraces : undefined] as const,
    ["logs", can("ReportsOwnLogs") ? offer.ownLogs : undefined] as const,
  ].flatMap(([signal, to]) => (to === undefined ? [] : [[signal, to.destinationEndpoint] as const]));
  // Rebuilt from this message alone; an empty endpoint switches a signal off.
  if (own.length > 0)
    changeOwnTelemetry(
      turn,
      own.filter(([, endpoint]) => endpoint !== ""),
    );
}

function takeOpampSettings(turn: Turn, offer: OpAMPConnectionSettings, accepts: boolean): void {
  const { behaviour } = turn.state;
  const heartbeatMs = Number(offer.heartbeatIntervalSeconds) * 1000;
  if (hasCapability(behaviour.capabilities, "ReportsHeartbeat") && (heartbeatMs > 0 || !behaviour.halfDuplex)) {
    update(turn, { heartbeatMs });
    turn.effects.push(
      heartbeatMs > 0
        ? { kind: "arm", timer: "heartbeat", afterMs: heartbeatMs }
        : { kind: "disarm", timer: "heartbeat" },
    );
  }
  if (!accepts || offer.destinationEndpoint === "") return;
  if (!behaviour.halfDuplex || behaviour.disconnectsOverHttp) reportLast(turn, FIELD.disconnect);
  // A new client: it starts to count at 0, tells everything, and calls itself unhealthy until health changes.
  update(turn, {
    link: "down",
    first: true,
    sequenceNum: 0,
    dirty: 0,
    endpoint: offer.destinationEndpoint,
    health: { healthy: false, status: "", lastError: "", atMs: turn.atMs },
  });
  const headers = (offer.headers?.headers ?? []).map(({ key, value }) => [key, value] as const);
  turn.effects.push({ kind: "move", endpoint: offer.destinationEndpoint, headers });
}
