// @muster/protocol: OpAMP on the wire. Bytes in, messages out; nothing here does I/O or knows the fleet.
//
//   frame.ts            WebSocket frames and HTTP bodies to messages and back
//   scan.ts             recognise a heartbeat without decoding it
//   heartbeat-reply.ts  answer one without building a message
//   uid.ts              instance uid: 16 bytes to text and back
//   uid-at.ts           the same where a message has it, for the hot path
//   capabilities.ts     bitmasks to names; what may be offered to whom
//   attributes.ts       attribute lists to JSON-safe values and back
//   unrecognized.ts     whether a message holds what this version has no name for
//   otlp-scan.ts        what few metrics count of all that an agent sends of its own (OTLP)
//   error.ts            what can be wrong with bytes
//
// The generated messages are at @muster/protocol/opamp and @muster/protocol/anyvalue, our own API at
// @muster/protocol/muster, those of OTLP metrics at @muster/protocol/otlp.

export type { Attributes, AttributeValue } from "./attributes.ts";
export { decodeAttributes, encodeAttributes } from "./attributes.ts";
export type { AgentCapability, Offerable, Reportable, ServerCapability } from "./capabilities.ts";
export {
  AGENT_CAPABILITIES,
  agentCapabilityMask,
  agentCapabilityNames,
  hasCapability,
  mayOffer,
  mayReport,
  OFFER_REQUIRES,
  REPORT_REQUIRES,
  SERVER_CAPABILITIES,
  serverCapabilityMask,
  serverCapabilityNames,
  unknownCapabilities,
} from "./capabilities.ts";
export type { ProtocolErrorCode } from "./error.ts";
export { ProtocolError } from "./error.ts";
export {
  DEFAULT_MAX_MESSAGE_BYTES,
  decodeAgentBody,
  decodeAgentFrame,
  decodeServerBody,
  decodeServerFrame,
  encodeAgentBody,
  encodeAgentFrame,
  encodeServerBody,
  encodeServerFrame,
  frameOf,
  parseFrameHeader,
} from "./frame.ts";
export type { HeartbeatReply } from "./heartbeat-reply.ts";
export { createHeartbeatReply } from "./heartbeat-reply.ts";
export type { ScannedMetrics, ScannedResource } from "./otlp-scan.ts";
export { MAX_RESOURCES, scanMetrics } from "./otlp-scan.ts";
export type { ReportScan } from "./scan.ts";
export { createReportScan, isBareHeartbeat, scanReport } from "./scan.ts";
export { formatUid, parseUid, UID_BYTES } from "./uid.ts";
export type { UidWords } from "./uid-at.ts";
export { formatUidAt, uidWordAt, uidWords } from "./uid-at.ts";
export { hasUnrecognized } from "./unrecognized.ts";
