// What an agent saw of its server: facts for tests and load runs, derived from received messages. Pure.
//
// Bare answers are not facts; they are only counted.

import { formatUid, ProtocolError } from "@muster/protocol";
import type { ServerToAgent } from "@muster/protocol/opamp";
import { ServerToAgentFlags } from "@muster/protocol/opamp";

/** One fact as the agent saw it; `atMs` is milliseconds since the Unix epoch. */
export type AgentEvent = AgentEventKind & { readonly atMs: number };

type AgentEventKind =
  /** A connection was established; over HTTP: the first request after a failure was answered. */
  | { readonly kind: "connected" }
  /** The connection ended without our doing. */
  | { readonly kind: "disconnected"; readonly code: number }
  /** A connection or request was refused. `status` is the HTTP status, undefined without an answer. */
  | { readonly kind: "refused"; readonly status: number | undefined; readonly retryAfterMs: number | undefined }
  /** A remote config was offered; the hash is lower-case hex. */
  | { readonly kind: "config-offered"; readonly hash: string; readonly files: readonly string[] }
  | { readonly kind: "full-state-requested" }
  | { readonly kind: "components-requested" }
  | { readonly kind: "error-received"; readonly type: number; readonly message: string }
  | { readonly kind: "restart-commanded" }
  /** A new instance uid was given. */
  | { readonly kind: "uid-assigned"; readonly uid: string }
  /** Connection settings were offered; `endpoint` is "" unless they concern OpAMP itself. */
  | { readonly kind: "connection-offered"; readonly hash: string; readonly endpoint: string };

/** The facts in one received message, in the order in which the agent acts on them. */
export function eventsOf(message: ServerToAgent, atMs: number): readonly AgentEvent[] {
  const events: AgentEvent[] = [];
  if (message.errorResponse !== undefined) {
    const { type, errorMessage } = message.errorResponse;
    events.push({ kind: "error-received", atMs, type, message: errorMessage });
  }
  if (message.command !== undefined) events.push({ kind: "restart-commanded", atMs });
  if (message.agentIdentification !== undefined) {
    const uid = formatUid(message.agentIdentification.newInstanceUid);
    events.push({ kind: "uid-assigned", atMs, uid: uid instanceof ProtocolError ? "" : uid });
  }
  if (message.remoteConfig !== undefined) {
    const { configHash, config } = message.remoteConfig;
    const files = Object.keys(config?.configMap ?? {});
    events.push({ kind: "config-offered", atMs, hash: Buffer.from(configHash).toString("hex"), files });
  }
  if (message.connectionSettings !== undefined) {
    const { hash, opamp } = message.connectionSettings;
    const endpoint = opamp?.destinationEndpoint ?? "";
    events.push({ kind: "connection-offered", atMs, hash: Buffer.from(hash).toString("hex"), endpoint });
  }
  const { ServerToAgentFlags_ReportFullState: full, ServerToAgentFlags_ReportAvailableComponents: components } =
    ServerToAgentFlags;
  if (message.flags & BigInt(full)) events.push({ kind: "full-state-requested", atMs });
  if (message.flags & BigInt(components)) events.push({ kind: "components-requested", atMs });
  return events;
}
