// Metrics: counters, gauges and histograms over OpenTelemetry, rendered as Prometheus text for `/metrics`.
// The OpenTelemetry SDK is named in this file only. Hot paths keep plain integers and hand in a `read` function,
// which is called when somebody scrapes; per-agent labels are not allowed anywhere.
//
// Traps owned here
//   M1. The exporter appends `_total` to every counter that lacks it: we insist on the full name, so that a search
//       for the name in a dashboard finds the source line.
//   M2. Units are not appended to names: the name carries its unit (`_seconds`, `_bytes`), `unit` only documents it.

import type { Attributes } from "@opentelemetry/api";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";

/** Labels of a sample: few distinct values each, never an agent's id. */
export type Labels = Readonly<Record<string, string | number | boolean>>;

/** What a metric means: the question it answers and its unit (`s`, `By`, `{sessions}`). */
export interface MetricOptions {
  readonly help: string;
  readonly unit?: string;
}

/** A count that only grows. */
export interface Counter {
  /** Adds `count` (default 1, never negative). */
  add(count?: number, labels?: Labels): void;
}

/** A distribution of measured values. */
export interface Histogram {
  /** Records one value in the unit of the metric's name. */
  record(value: number, labels?: Labels): void;
}

/** What `observe` reads at each scrape: one number, or one number per set of labels. */
export type Reading = number | Iterable<readonly [value: number, labels: Labels]>;

/** The metrics of one process. Declare each name once, in the service's `metrics.ts`. */
export interface Metrics {
  /** A counter written where things happen; its name ends in `_total`. Costs about 0.1 to 0.8 µs per `add`. */
  counter(name: string, options: MetricOptions): Counter;
  /** A number read at each scrape: for hot paths, which keep plain integers. Counters end in `_total`. */
  observe(name: string, options: MetricOptions & { readonly kind: "counter" | "gauge" }, read: () => Reading): void;
  /** A histogram; `buckets` are upper bounds, ascending, in the unit of the name. */
  histogram(name: string, options: MetricOptions & { readonly buckets: readonly number[] }): Histogram;
  /** Everything in the Prometheus text format 0.0.4. A `read` that throws costs its own metric only. */
  render(): Promise<string>;
}

/** Media type of what `render` returns. */
export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/** An empty set of metrics for one service; nothing listens, `render` is for the caller's own endpoint. */
export function createMetrics(service: string): Metrics {
  const reader = new ScrapeReader();
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  const meter = new MeterProvider({ readers: [reader] }).getMeter(`muster-${service}`);
  const declared = new Set<string>();
  const declare = (name: string, kind: MetricKind) => {
    const problem = nameProblem(name, kind);
    if (problem !== null) throw new Error(`metric ${name}: ${problem}`);
    if (declared.has(name)) throw new Error(`metric ${name}: declared twice`);
    declared.add(name);
  };

  return {
    counter(name, { help, unit = "" }) {
      declare(name, "counter");
      const counter = meter.createCounter(name, { description: help, unit });
      return { add: (count = 1, labels) => counter.add(count, labels as Attributes | undefined) };
    },
    observe(name, { help, unit = "", kind }, read) {
      declare(name, kind);
      const options = { description: help, unit };
      const instrument =
        kind === "counter" ? meter.createObservableCounter(name, options) : meter.createObservableGauge(name, options);
      instrument.addCallback((result) => {
        const reading = read();
        if (typeof reading === "number") result.observe(reading);
        else for (const [value, labels] of reading) result.observe(value, labels);
      });
    },
    histogram(name, { help, unit = "", buckets }) {
      declare(name, "histogram");
      const advice = { explicitBucketBoundaries: [...buckets] };
      const histogram = meter.createHistogram(name, { description: help, unit, advice });
      return { record: (value, labels) => histogram.record(value, labels as Attributes | undefined) };
    },
    async render() {
      const { resourceMetrics, errors } = await reader.collect();
      const comments = errors.map((error) => `# a metric could not be read: ${String(error).replaceAll("\n", " ")}\n`);
      return `${serializer.serialize(resourceMetrics).trimEnd()}\n${comments.join("")}`;
    },
  };
}

/** Reads when it is asked to; the exporter's own would bring a server along. */
class ScrapeReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

type MetricKind = "counter" | "gauge" | "histogram";

/** What is wrong with a metric's name, or null. */
function nameProblem(name: string, kind: MetricKind): string | null {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) return "use lower case, digits and single underscores";
  if (kind === "counter" && !name.endsWith("_total")) return "a counter's name ends in _total";
  if (kind !== "counter" && name.endsWith("_total")) return "only a counter's name ends in _total";
  return null;
}
