// Traces of what takes long and is done by many: the steps of a rollout, recorded after the fact by whichever worker
// committed them. OpenTelemetry's trace SDK and its OTLP exporter are named in this file only. Loaded by who traces, as
// @muster/telemetry/trace, and not by every process.
//
// Invariants
//   T1. Ids follow from what a span is about: the trace from a UUID, the span from its path. Workers that never met agree
//       on them, a parent may be recorded after its children, and what is recorded twice is the same span twice.
//   T2. Recording never waits and never throws. What a slow collector leaves no room for in the queue is dropped.
//
// Traps owned here
//   T3. The SDK makes ids by asking a generator while it starts a span: ours hands out those of the span at hand. That is
//       safe because starting is synchronous.
//   T4. The SDK takes small numbers for performance.now(), so it is given Dates.
//   T5. The exporter reads OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE and their kin by itself, as
//       the standard has it; the endpoint is ours to give.

import { createHash } from "node:crypto";
import { type Attributes, type Context, ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";

/** Values that spans carry; names as in `field` where it has them. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Something that happened within a span. */
export interface SpanEvent {
  readonly name: string;
  readonly atMs: number;
  readonly attributes?: SpanAttributes;
}

/** A span that is over. Milliseconds since 1970. */
export interface FinishedSpan {
  /** 32 hexadecimal digits, of `traceIdOf`. */
  readonly traceId: string;
  /** What the span is about, unlike all others of the trace: "" for the root, `stage/0/gate/1` for one below it. */
  readonly path: string;
  /** Path of the span around it; null for the root. */
  readonly parentPath: string | null;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  readonly events?: readonly SpanEvent[];
  /** Default false. */
  readonly isError?: boolean;
}

/** Records spans. */
export interface Tracer {
  /** Takes a span to be sent within seconds. Costs about 10 µs; nothing without an endpoint. */
  record(span: FinishedSpan): void;
  /** Sends what is left, and gives up at the deadline. Nothing can be recorded afterwards. */
  close(): Promise<void>;
}

/** What `createTracer` needs. */
export interface TracerOptions {
  /** Name of the service; `muster-<service>` in traces. */
  readonly service: string;
  /** Full URL that OTLP/HTTP is posted to (`http://collector:4318/v1/traces`). Without one nothing is recorded. */
  readonly endpoint?: string | undefined;
  /** Told of every batch that could not be delivered, whose spans are lost. Default: nobody is. */
  readonly onError?: (error: unknown) => void;
  /** Deadline of `close`; default 3 s, which a drain has. */
  readonly closeTimeoutMs?: number;
}

const MAX_QUEUED_SPANS = 8_192;
const MAX_BATCH_SPANS = 512;
const SEND_EVERY_MS = 2_000;
const EXPORT_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 3_000;

/** Records nothing. */
const silentTracer: Tracer = { record() {}, close: () => Promise.resolve() };

/** A tracer that posts to `endpoint`, or one that does nothing where there is none. */
export function createTracer(options: TracerOptions): Tracer {
  const { service, endpoint, onError = () => {}, closeTimeoutMs = CLOSE_TIMEOUT_MS } = options;
  if (endpoint === undefined) return silentTracer;
  const ids = { traceId: "", spanId: "" };
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ "service.name": `muster-${service}` })),
    sampler: new AlwaysOnSampler(),
    idGenerator: { generateTraceId: () => ids.traceId, generateSpanId: () => ids.spanId },
    spanProcessors: [
      batch(telling(new OTLPTraceExporter({ url: endpoint, timeoutMillis: EXPORT_TIMEOUT_MS }), onError)),
    ],
  });
  const tracer = provider.getTracer(`muster-${service}`);
  return {
    record({ traceId, path, parentPath, name, startMs, endMs, attributes, events = [], isError = false }) {
      Object.assign(ids, { traceId, spanId: spanIdOf(path) });
      const startTime = new Date(startMs);
      const span = tracer.startSpan(name, { startTime, attributes: copy(attributes) }, within(traceId, parentPath));
      for (const event of events) span.addEvent(event.name, copy(event.attributes), new Date(event.atMs));
      if (isError) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(new Date(endMs));
    },
    async close() {
      // A batch that failed on the way was told of.
      const sent = provider.shutdown().catch(() => undefined);
      if (await isInTime(sent, closeTimeoutMs)) return;
      onError(new Error(`traces were not sent within ${closeTimeoutMs} ms; the last spans may be lost`));
    },
  };
}

/** The trace that a UUID stands for. */
export function traceIdOf(uuid: string): string {
  return uuid.replaceAll("-", "").toLowerCase();
}

/** The span of a trace that a path stands for: 16 hexadecimal digits. */
export function spanIdOf(path: string): string {
  return createHash("sha256").update(path).digest("hex").slice(0, 16);
}

/** The context of a span that was, or will be, recorded under `parentPath`. */
function within(traceId: string, parentPath: string | null): Context {
  if (parentPath === null) return ROOT_CONTEXT;
  const parent = { traceId, spanId: spanIdOf(parentPath), traceFlags: TraceFlags.SAMPLED };
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}

function batch(exporter: SpanExporter): BatchSpanProcessor {
  return new BatchSpanProcessor({
    exporter,
    maxQueueSize: MAX_QUEUED_SPANS,
    maxExportBatchSize: MAX_BATCH_SPANS,
    scheduledDelayMillis: SEND_EVERY_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
  });
}

/** The exporter, which tells of its errors; the SDK keeps them to itself. */
function telling(exporter: SpanExporter, onError: (error: unknown) => void): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined) onError(result.error);
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

/** The SDK's type of attributes wants arrays that it could change. */
function copy(attributes: SpanAttributes = {}): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [key, typeof value === "object" ? [...value] : value]),
  );
}

/** Whether something ends before a deadline. */
async function isInTime(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const inTime = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}
