// Errors as gRPC tells them: a status code, a sentence, and details that programs read. Pure; the only table from the
// domain's codes to gRPC's. Called by server.ts.
//
// Traps owned here
//   E1. Status, sentence and details travel in one header block, which many clients limit to 8 KiB: both are cut.

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import type { FleetError, FleetErrorCode } from "@muster/fleet";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  RetryInfoSchema,
} from "@muster/protocol/rpc/error_details";
import { StatusSchema } from "@muster/protocol/rpc/status";

/** The status of each code. */
export const GRPC_STATUS = {
  invalid: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  conflict: status.ABORTED,
  failed_precondition: status.FAILED_PRECONDITION,
  exhausted: status.RESOURCE_EXHAUSTED,
  out_of_range: status.OUT_OF_RANGE,
  unavailable: status.UNAVAILABLE,
  internal: status.INTERNAL,
} as const satisfies Record<FleetErrorCode, status>;

/** After how long a repeat may succeed, in milliseconds; null where repeating the same is no use. */
const RETRY_MS = {
  invalid: null,
  not_found: null,
  already_exists: null,
  conflict: null, // read again first
  failed_precondition: null,
  exhausted: 5_000,
  out_of_range: null,
  unavailable: 1_000,
  internal: null,
} as const satisfies Record<FleetErrorCode, number | null>;

/** What a failed call answers. */
export interface CallFailure {
  readonly code: status;
  readonly message: string;
  /** Encoded google.rpc.Status for the trailer `grpc-status-details-bin`. */
  readonly details: Buffer;
}

const DOMAIN = "muster";
const MAX_MESSAGE_CHARS = 1_000;
const MAX_DETAILS_BYTES = 4_500; // 6,000 in base64
const MAX_DESCRIPTION_CHARS = 300;

/** What a call answers that failed with this error. `requestId` is where to look for the cause of an internal one. */
export function encodeFailure(error: FleetError, requestId: string): CallFailure {
  const code = GRPC_STATUS[error.code];
  const internal = `Muster failed on its own account; its log has the cause under request id ${requestId}.`;
  const message = cut(error.code === "internal" ? internal : error.message, MAX_MESSAGE_CHARS);
  const details = encodeDetails(code, message, error);
  return { code, message, details };
}

/** Violations that an answer lists at most. */
const MAX_VIOLATIONS = 50;

function encodeDetails(code: status, message: string, error: FleetError): Buffer {
  const violations = error.violations.map((v) => ({ ...v, description: cut(v.description, MAX_DESCRIPTION_CHARS) }));
  // Each turn encodes afresh, so it must not begin with thousands.
  for (let kept = Math.min(violations.length, MAX_VIOLATIONS); ; kept--) {
    const shown =
      kept === violations.length ? violations : [...violations.slice(0, kept), more(violations.length - kept)];
    const encoded = toBinary(StatusSchema, create(StatusSchema, { code, message, details: pack(error, shown) }));
    if (encoded.byteLength <= MAX_DETAILS_BYTES || kept === 0) return Buffer.from(encoded);
  }
}

function more(count: number): { field: string; description: string } {
  return { field: "", description: `${count} more are wrong; repair these first.` };
}

function pack(error: FleetError, fieldViolations: { field: string; description: string }[]): Any[] {
  const isInternal = error.code === "internal";
  const packed = [
    any(ErrorInfoSchema, { reason: error.reason, domain: DOMAIN, metadata: isInternal ? {} : { ...error.details } }),
  ];
  if (fieldViolations.length > 0) packed.push(any(BadRequestSchema, { fieldViolations }));
  if (error.code === "failed_precondition") {
    const { rollout_id, config_id, instance_uid } = error.details;
    const subject = rollout_id ?? config_id ?? instance_uid ?? "";
    const violation = { type: error.reason, subject, description: cut(error.message, MAX_DESCRIPTION_CHARS) };
    packed.push(any(PreconditionFailureSchema, { violations: [violation] }));
  }
  const retryMs = RETRY_MS[error.code];
  if (retryMs !== null) packed.push(any(RetryInfoSchema, { retryDelay: { seconds: BigInt(retryMs / 1_000) } }));
  return packed;
}

function any<Schema extends DescMessage>(schema: Schema, init: MessageInitShape<Schema>): Any {
  return anyPack(schema, create(schema, init));
}

function cut(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}
