// Requests with agents' own metrics as a fuzzer wants them: mostly well-formed, with numbers, times and names that no process
// has; and what a gateway may answer them with.

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { formatUid } from "@muster/protocol";
import { AggregationTemporality, type MetricSchema, type NumberDataPointSchema } from "@muster/protocol/otlp";
import { ExportMetricsServiceRequestSchema, ExportMetricsServiceResponseSchema } from "@muster/protocol/otlp/service";
import { StatusSchema } from "@muster/protocol/rpc/status";
import type { Tally } from "./campaign.ts";
import type { Dice } from "./dice.ts";

const NAMES = [
  "otelcol_process_memory_rss",
  "otelcol_process_cpu_seconds",
  "process.cpu.time",
  "process.cpu.utilization",
  "process.memory.usage",
  "http.server.request.duration",
  "__proto__",
  "",
] as const;
const NUMBERS = [0, 0.5, 1e9, 1e300, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.MIN_VALUE] as const;
const TIMES = [0n, 1n, 1_800_000_000_000_000_000n, 1_800_000_060_000_000_000n, 18_446_744_073_709_551_615n] as const;
const { UNSPECIFIED, DELTA, CUMULATIVE } = AggregationTemporality;
const TEMPORALITIES = [UNSPECIFIED, DELTA, CUMULATIVE, CUMULATIVE] as const;
const MODES = ["user", "system", "wait", "", "\ufeff"] as const;
const MOST_RESOURCES = 50;

/** A request with metrics of this agent, and of others. */
export function aMetricsBody(dice: Dice, uid: Uint8Array): Uint8Array {
  const count = dice.chance(95) ? 1 + dice.roll(3) : dice.roll(MOST_RESOURCES);
  const resourceMetrics = Array.from({ length: count }, () => {
    const id = dice.chance(80)
      ? String(formatUid(uid))
      : dice.pick(["", "nobody", "01890A5D-AC96-774B-BCCE-B302099A8057"]);
    const value = { value: dice.chance(95) ? { case: "stringValue" as const, value: id } : { case: undefined } };
    const metrics = Array.from({ length: dice.roll(8) }, () => aMetric(dice));
    return { resource: { attributes: [{ key: "service.instance.id", value }] }, scopeMetrics: [{ metrics }] };
  });
  const request = create(ExportMetricsServiceRequestSchema, { resourceMetrics });
  return toBinary(ExportMetricsServiceRequestSchema, request);
}

function aMetric(dice: Dice): MessageInitShape<typeof MetricSchema> {
  const name = dice.pick(NAMES);
  const dataPoints = Array.from({ length: dice.chance(95) ? dice.roll(4) : dice.roll(500) }, () => aPoint(dice));
  switch (dice.roll(4)) {
    case 0:
      return { name, data: { case: "gauge", value: { dataPoints } } };
    case 1:
      return { name, data: { case: "histogram", value: { dataPoints: [{ bucketCounts: [1n], explicitBounds: [] }] } } };
    default: {
      const [aggregationTemporality, isMonotonic] = [dice.pick(TEMPORALITIES), dice.chance(70)];
      return { name, data: { case: "sum", value: { aggregationTemporality, isMonotonic, dataPoints } } };
    }
  }
}

function aPoint(dice: Dice): MessageInitShape<typeof NumberDataPointSchema> {
  const mode = {
    key: dice.pick(["cpu.mode", "state", "x"]),
    value: { value: { case: "stringValue" as const, value: dice.pick(MODES) } },
  };
  const asDouble = { case: "asDouble", value: dice.pick(NUMBERS) } as const;
  const asInt = { case: "asInt", value: dice.pick([0n, 70_000_000n, -1n, 9_223_372_036_854_775_807n]) } as const;
  return {
    startTimeUnixNano: dice.pick(TIMES),
    timeUnixNano: dice.pick(TIMES),
    ...(dice.chance(95) && { value: dice.chance(50) ? asDouble : asInt }),
    ...(dice.chance(50) && { attributes: [mode] }),
  };
}

const STATUSES = new Set([200, 400, 413, 415, 429, 503]);

/** Whether a request was answered as OTLP has it: what was taken, or a sentence that says why it was not. */
export function judgeMetrics(status: number, encoding: string | undefined, body: Uint8Array, tally: Tally): void {
  if (!STATUSES.has(status)) return tally.broken(`metrics were answered with ${status}`);
  // What is no Protobuf is refused in text.
  if (encoding !== undefined || status === 415) return;
  try {
    if (status === 200) fromBinary(ExportMetricsServiceResponseSchema, body);
    else if (fromBinary(StatusSchema, body).message === "")
      tally.broken(`metrics were refused with ${status} and no word`);
  } catch {
    tally.broken(`an answer to metrics, ${status}, cannot be read`);
  }
}
