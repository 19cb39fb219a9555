// OpAMP bytes as the suite needs them: on purpose without the project's own frame codec, so that the suite and a server
// of this project cannot share its mistakes. Also bytes that no library would write, and sentences about messages.

import { randomBytes } from "node:crypto";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AgentToServer,
  AgentToServerSchema,
  type ServerToAgent,
  ServerToAgentSchema,
} from "@muster/protocol/opamp";

/** What a message of an agent may hold. */
export type Fields = Exclude<MessageInitShape<typeof AgentToServerSchema>, AgentToServer>;

/** The bits of an agent's capabilities that the cases use. */
export const AGENT = {
  reportsStatus: 0x1n,
  acceptsRemoteConfig: 0x2n,
  reportsEffectiveConfig: 0x4n,
  acceptsPackages: 0x8n,
  reportsPackageStatuses: 0x10n,
  reportsOwnTraces: 0x20n,
  reportsOwnMetrics: 0x40n,
  reportsOwnLogs: 0x80n,
  acceptsOpampConnection: 0x100n,
  acceptsOtherConnections: 0x200n,
  acceptsRestart: 0x400n,
  reportsHealth: 0x800n,
  reportsRemoteConfig: 0x1000n,
  reportsHeartbeat: 0x2000n,
  reportsComponents: 0x4000n,
  reportsConnectionStatus: 0x8000n,
} as const;

/** The same bits by the names of the specification, for drivers whose servers name them. */
export const AGENT_CAPABILITY_NAMES: Readonly<Record<string, bigint>> = {
  ReportsStatus: AGENT.reportsStatus,
  AcceptsRemoteConfig: AGENT.acceptsRemoteConfig,
  ReportsEffectiveConfig: AGENT.reportsEffectiveConfig,
  AcceptsPackages: AGENT.acceptsPackages,
  ReportsPackageStatuses: AGENT.reportsPackageStatuses,
  ReportsOwnTraces: AGENT.reportsOwnTraces,
  ReportsOwnMetrics: AGENT.reportsOwnMetrics,
  ReportsOwnLogs: AGENT.reportsOwnLogs,
  AcceptsOpAMPConnectionSettings: AGENT.acceptsOpampConnection,
  AcceptsOtherConnectionSettings: AGENT.acceptsOtherConnections,
  AcceptsRestartCommand: AGENT.acceptsRestart,
  ReportsHealth: AGENT.reportsHealth,
  ReportsRemoteConfig: AGENT.reportsRemoteConfig,
  ReportsHeartbeat: AGENT.reportsHeartbeat,
  ReportsAvailableComponents: AGENT.reportsComponents,
  ReportsConnectionSettingsStatus: AGENT.reportsConnectionStatus,
};

/** The bits of a server's capabilities. */
export const SERVER = {
  acceptsStatus: 0x1n,
  offersRemoteConfig: 0x2n,
  acceptsEffectiveConfig: 0x4n,
  offersPackages: 0x8n,
  acceptsPackagesStatus: 0x10n,
  offersConnectionSettings: 0x20n,
  acceptsConnectionSettingsRequest: 0x40n,
} as const;

/** Every bit that is defined. */
export const ALL_SERVER_BITS = 0x7fn;

/** Flags of a ServerToAgent. */
export const FLAG = { reportFullState: 0x1n, reportComponents: 0x2n } as const;

/** The flag of an AgentToServer that asks for a uid. */
export const REQUEST_INSTANCE_UID = 0x1n;

/** A message of an agent as bytes, without header. */
export function encodeReport(fields: Fields): Uint8Array {
  return toBinary(AgentToServerSchema, create(AgentToServerSchema, fields));
}

/** A message of a server; null when the bytes are none. */
export function decodeAnswer(body: Uint8Array): ServerToAgent | null {
  try {
    return fromBinary(ServerToAgentSchema, body);
  } catch {
    return null;
  }
}

/** Number of bytes of the header, 1 to 10 that spell 0; null when there is none. */
export function headerBytes(frame: Uint8Array): number | null {
  for (let i = 0; i < Math.min(frame.length, 10); i++) {
    if (frame[i] === 0) return i + 1;
    if (frame[i] !== 0x80) return null;
  }
  return null;
}

/** A UUIDv7 of its own. */
export function newUid(): Uint8Array {
  const uid = new Uint8Array(randomBytes(16));
  new DataView(uid.buffer).setBigUint64(0, (BigInt(Date.now()) << 16n) | BigInt(0x7000 | (randomBytes(1)[0] ?? 0)));
  uid[8] = 0x80 | ((uid[8] ?? 0) & 0x3f);
  return uid;
}

/** A uid as text. */
export function uidText(uid: Uint8Array): string {
  const hex = Buffer.from(uid).toString("hex");
  return hex.length !== 32 ? `"${hex}"` : hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A number as protobuf writes it. */
export function varint(value: bigint | number): Uint8Array {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.from([...out, Number(rest)]);
}

/** A field of bytes, text or a message, whatever its number. */
export function lengthDelimited(field: number, content: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

/** A field of a number. */
export function numeric(field: number, value: bigint | number): Uint8Array {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

/** The contents of every length-delimited field with this number, in order, as they came. */
export function occurrences(message: Uint8Array, field: number): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < message.length; ) {
    const [tag, start] = readVarint(message, at);
    const [length, content] = lengthAt(message, start, tag % 8);
    at = content + length;
    if (tag % 8 === 2 && Math.floor(tag / 8) === field) found.push(message.subarray(content, at));
  }
  return found;
}

function lengthAt(message: Uint8Array, start: number, kind: number): readonly [length: number, content: number] {
  if (kind === 1) return [8, start];
  if (kind === 5) return [4, start];
  const [value, after] = readVarint(message, start);
  return kind === 2 ? [value, after] : [0, after];
}

function readVarint(message: Uint8Array, start: number): readonly [value: number, after: number] {
  for (let at = start, value = 0, weight = 1; ; at++, weight *= 128) {
    const byte = message[at] ?? 0;
    value += (byte & 0x7f) * weight;
    if (byte < 0x80) return [value, at + 1];
  }
}

/** Which fields a message has, in a line. */
export function describe(message: ServerToAgent): string {
  const { errorResponse: error, $typeName: _name, $unknown: _unknown, ...fields } = message;
  const parts = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined || value === 0n) return [];
    if (name === "instanceUid") return [`uid ${uidText(message.instanceUid)}`];
    if (typeof value === "bigint") return [`${name} 0x${value.toString(16)}`];
    return [name];
  });
  if (error !== undefined) parts.push(`error_response of type ${error.type} "${error.errorMessage.slice(0, 80)}"`);
  return parts.join(", ");
}

/** Whether two are the same bytes. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Whether the message asks for full state. */
export function asksFullState(message: ServerToAgent): boolean {
  return (message.flags & FLAG.reportFullState) !== 0n;
}
