// Answers to OTLP over HTTP, as bytes (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response). Pure. Called by the
// receiver (own-metrics.ts).

import { create, toBinary } from "@bufbuild/protobuf";
import { ExportMetricsServiceResponseSchema } from "@muster/protocol/otlp/service";
import { StatusSchema } from "@muster/protocol/rpc/status";

/** Why a resource is not taken. */
export type Refusal = "nameless" | "unknown" | "foreign";

/** What was not taken of a request. */
export interface Refused {
  readonly refusal: Refusal;
  readonly pointCount: number;
}

const SENTENCES = {
  nameless: "without the resource attribute service.instance.id; set it to the agent's OpAMP instance uid, a UUID",
  unknown: "of agents that are not known here; let them connect over OpAMP first",
  foreign: "of agents that belong to another identity; send with the token that they connect with",
} as const satisfies Record<Refusal, string>;

/** Everything was taken, or all but these: no client sends them again. */
export function encodeTaken(refused: readonly Refused[]): Uint8Array {
  if (refused.length === 0) return new Uint8Array();
  const rejected = refused.reduce((sum, { pointCount }) => sum + pointCount, 0);
  const parts = Object.entries(Object.groupBy(refused, ({ refusal }) => refusal)).map(
    // The keys are those of `Refusal`.
    ([refusal, some]) => `${some.length} ${SENTENCES[refusal as Refusal]}`,
  );
  const errorMessage = `Resources that were not taken: ${parts.join(". ")}.`;
  const partialSuccess = { rejectedDataPoints: BigInt(rejected), errorMessage };
  return toBinary(ExportMetricsServiceResponseSchema, create(ExportMetricsServiceResponseSchema, { partialSuccess }));
}

/** Why a whole request is refused. The HTTP status says whether it is to be sent again. */
export function encodeRefusal(sentence: string): Uint8Array {
  return toBinary(StatusSchema, create(StatusSchema, { message: sentence }));
}
