import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { FleetError } from "@muster/fleet";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  RetryInfoSchema,
} from "@muster/protocol/rpc/error_details";
import { StatusSchema } from "@muster/protocol/rpc/status";
import { encodeFailure } from "./errors.ts";

function decode(error: FleetError) {
  const failure = encodeFailure(error, "req-1");
  const { code, message, details } = fromBinary(StatusSchema, failure.details);
  assert.equal(code, failure.code);
  assert.equal(message, failure.message);
  return {
    ...failure,
    info: details.map((any) => anyUnpack(any, ErrorInfoSchema)).find((d) => d !== undefined),
    badRequest: details.map((any) => anyUnpack(any, BadRequestSchema)).find((d) => d !== undefined),
    precondition: details.map((any) => anyUnpack(any, PreconditionFailureSchema)).find((d) => d !== undefined),
    retry: details.map((any) => anyUnpack(any, RetryInfoSchema)).find((d) => d !== undefined),
  };
}

describe("a failure", () => {
  it("carries every violation with its field", () => {
    const { code, badRequest, info } = decode(
      FleetError.invalid([
        { field: "order", description: "is wrong." },
        { field: "selector", description: "is wrong too." },
      ]),
    );
    assert.equal(code, status.INVALID_ARGUMENT);
    assert.deepEqual(
      badRequest?.fieldViolations.map((v) => v.field),
      ["order", "selector"],
    );
    assert.deepEqual([info?.domain, info?.reason], ["muster", "INVALID"]);
  });

  it("names the precondition and the values behind it", () => {
    const details = { config_id: "base", rollout_id: "r1" };
    const { code, precondition, info } = decode(
      new FleetError("failed_precondition", "It is at work.", { reason: "ROLLOUT_ACTIVE", details }),
    );
    assert.equal(code, status.FAILED_PRECONDITION);
    assert.deepEqual(
      precondition?.violations.map((v) => [v.type, v.subject]),
      [["ROLLOUT_ACTIVE", "r1"]],
    );
    assert.deepEqual(info?.metadata, details);
  });

  it("says after how long a repeat may succeed", () => {
    const { code, retry } = decode(new FleetError("unavailable", "Redis does not answer."));
    assert.equal(code, status.UNAVAILABLE);
    assert.equal(retry?.retryDelay?.seconds, 1n);
  });

  it("keeps an internal error's words to itself and says where to look", () => {
    const { code, message, info } = decode(new FleetError("internal", "secret", { details: { secret: "1" } }));
    assert.equal(code, status.INTERNAL);
    assert.match(message, /request id req-1/);
    assert.doesNotMatch(message, /secret/);
    assert.deepEqual(info?.metadata, {});
  });

  it("fits into a header block however much is wrong", () => {
    const violations = Array.from({ length: 500 }, (_, i) => ({ field: `f${i}`, description: "x".repeat(1_000) }));
    const { details, message, badRequest } = decode(FleetError.invalid(violations));
    assert.ok(details.byteLength + message.length < 6_000);
    assert.match(badRequest?.fieldViolations.at(-1)?.description ?? "", /more are wrong/);
  });
});
