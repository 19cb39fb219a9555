// Metrics as OTLP has them, in the words of the fleet: points with a time, a value and a mode. Only numbers can be read off;
// histograms and summaries by those names say nothing. Pure. Called by the receiver (own-metrics.ts).

import type { MetricPoint } from "@muster/fleet";
import { AggregationTemporality, type Metric, type NumberDataPoint, type Sum } from "@muster/protocol/otlp";

/** What tells modes apart: semantic conventions as they are, as they were, and Collectors' receivers. */
const MODE_KEYS = ["cpu.mode", "process.cpu.state", "state"];
const NANOS_PER_MS = 1e6;

/** The points of a metric. */
export function pointsOf({ name, data }: Metric): readonly MetricPoint[] {
  switch (data.case) {
    case "gauge":
      return toPoints(name, "level", data.value.dataPoints);
    case "sum": {
      const kind = kindOf(data.value);
      return kind === null ? [] : toPoints(name, kind, data.value.dataPoints);
    }
    default:
      return [];
  }
}

/** A sum that goes up and down is a level, unless only its changes are told. */
function kindOf({ aggregationTemporality, isMonotonic }: Sum): MetricPoint["kind"] | null {
  if (aggregationTemporality === AggregationTemporality.CUMULATIVE) return isMonotonic ? "total" : "level";
  return aggregationTemporality === AggregationTemporality.DELTA && isMonotonic ? "delta" : null;
}

function toPoints(
  metric: string,
  kind: MetricPoint["kind"],
  points: readonly NumberDataPoint[],
): readonly MetricPoint[] {
  return points.flatMap((point) => {
    const { value, startTimeUnixNano, timeUnixNano } = point;
    if (value.case === undefined) return [];
    const [startMs, atMs] = [Number(startTimeUnixNano) / NANOS_PER_MS, Number(timeUnixNano) / NANOS_PER_MS];
    return [{ metric, kind, startMs, atMs, value: Number(value.value), mode: modeOf(point) }];
  });
}

function modeOf({ attributes }: NumberDataPoint): string {
  const value = attributes.find(({ key }) => MODE_KEYS.includes(key))?.value?.value;
  return value?.case === "stringValue" ? value.value : "";
}
