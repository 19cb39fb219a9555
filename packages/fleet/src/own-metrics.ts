// What an agent takes, read off its own metrics: which of them count, and how points become CPU and memory. Pure. What says
// nothing certain says nothing: a counter tells cores only together with an earlier point, and never a share of all processors.
// Whether a reading is worth writing down is usage-news.ts's. Called by the gateway's receiver.

/** One point of a metric. */
export interface MetricPoint {
  /** The metric's name. */
  readonly metric: string;
  /** `level`: a gauge, or a sum that goes up and down; `total`: a counter since its start; `delta`: a counter's increase since then. */
  readonly kind: "level" | "total" | "delta";
  /** Milliseconds since 1970 by the agent's clock; 0 where it does not say. */
  readonly startMs: number;
  readonly atMs: number;
  readonly value: number;
  /** What the CPU did, by attribute `cpu.mode` or `state`; "" where it is not told apart. */
  readonly mode: string;
}

/** The last point of a counter of CPU time. */
export interface CpuCounter {
  readonly metric: string;
  readonly startMs: number;
  readonly atMs: number;
  readonly seconds: number;
}

/** What an agent takes; null for what it does not say. */
export interface OwnUsage {
  /** Share of all its processors, 0 to 100, to a hundredth. */
  readonly cpuPercent: number | null;
  /** Processors that it keeps busy, to a thousandth. */
  readonly cpuCores: number | null;
  readonly memoryBytes: number | null;
}

/** What points say. */
export interface UsageReading {
  readonly usage: OwnUsage;
  /** The next point tells cores from here; null where nothing counts CPU time. */
  readonly counter: CpuCounter | null;
}

/** Nothing is told. */
export const NO_USAGE: OwnUsage = { cpuPercent: null, cpuCores: null, memoryBytes: null };

/**
 * Names of memory that is really taken, in bytes, the best first: Collectors' own (with the suffix that Prometheus adds), semantic
 * conventions as they are, and as they were before 2023.
 */
const MEMORY = [
  "otelcol_process_memory_rss",
  "otelcol_process_memory_rss_bytes",
  "process.memory.usage",
  "process.memory.physical_usage",
];
/** Names of the share of all processors, of 1. */
const CPU_SHARE = ["process.cpu.utilization"];
/** Names of counters of CPU time, in seconds. */
const CPU_TIME = ["otelcol_process_cpu_seconds", "otelcol_process_cpu_seconds_total", "process.cpu.time"];
const ALL: ReadonlySet<string> = new Set([...MEMORY, ...CPU_SHARE, ...CPU_TIME]);

/** Modes in which a processor does nothing for the process. */
const IDLE_MODES: ReadonlySet<string> = new Set(["wait", "iowait", "idle", "steal"]);
/** Two points that are closer tell more of the clocks' grain than of the agent. */
const MIN_SPAN_MS = 1_000;
/** A point that is older than the last by more than exporters send again is no late one: the agent's clock was set back. */
const MAX_LATE_MS = 5 * 60_000;
/** No machine has more: who says so counts something else. */
const MAX_CORES = 100_000;
/** A sum of shares may be a little over 1 by rounding; what is more is a number of cores, and no share. */
const MAX_SHARE = 1.01;

/** Whether a metric says what an agent takes. */
export function isUsageMetric(name: string): boolean {
  return ALL.has(name);
}

/** Reads what points say, with the agent's counter as it was before. Points that make no sense are as if they were not there. */
export function readUsage(points: readonly MetricPoint[], before: CpuCounter | null): UsageReading {
  const sane = points.filter(({ value }) => Number.isFinite(value) && value >= 0);
  const total = newestTotal(sane);
  const cores = total === null ? deltaCores(sane) : coresBetween(before, total);
  const share = shareOf(sane);
  const memory = levelOf(sane, MEMORY);
  const usage = {
    cpuPercent: share === null ? null : Math.round(10_000 * Math.min(share, 1)) / 100,
    cpuCores: cores === null || cores > MAX_CORES ? null : Math.round(1_000 * cores) / 1_000,
    memoryBytes: memory === null || memory > Number.MAX_SAFE_INTEGER ? null : Math.round(memory),
  };
  return { usage, counter: nextCounter(before, total) };
}

/** The newest points of the first metric that has some of that kind: of one collection, one per mode. */
function newest(points: readonly MetricPoint[], names: readonly string[], kind: MetricPoint["kind"]) {
  for (const name of names) {
    const own = points.filter(({ metric, kind: is }) => metric === name && is === kind);
    const atMs = own.reduce((latest, point) => Math.max(latest, point.atMs), 0);
    const last = own.filter((point) => point.atMs === atMs);
    if (last.length > 0) return last;
  }
  return [];
}

function levelOf(points: readonly MetricPoint[], names: readonly string[]): number | null {
  return newest(points, names, "level")[0]?.value ?? null;
}

function shareOf(points: readonly MetricPoint[]): number | null {
  const last = newest(points, CPU_SHARE, "level");
  const share = busy(last);
  return last.length === 0 || share > MAX_SHARE ? null : share;
}

/** The sum over the modes in which something was done. */
function busy(points: readonly MetricPoint[]): number {
  return points.reduce((sum, { mode, value }) => (IDLE_MODES.has(mode) ? sum : sum + value), 0);
}

/** A counter without a time tells nothing: when it reached the gateway is no measure of when it was read. */
function newestTotal(points: readonly MetricPoint[]): CpuCounter | null {
  const last = newest(points, CPU_TIME, "total");
  const [first] = last;
  if (first === undefined || first.atMs === 0) return null;
  const { metric, startMs, atMs } = first;
  return { metric, startMs, atMs, seconds: busy(last) };
}

function isSameRun(before: CpuCounter, now: CpuCounter): boolean {
  return before.metric === now.metric && before.startMs === now.startMs && now.seconds >= before.seconds;
}

/** After a restart, by another start or a smaller total, there is nothing to compare with. */
function coresBetween(before: CpuCounter | null, now: CpuCounter): number | null {
  if (before === null || !isSameRun(before, now) || now.atMs - before.atMs < MIN_SPAN_MS) return null;
  return (1_000 * (now.seconds - before.seconds)) / (now.atMs - before.atMs);
}

/** A point that was sent again, came late or came too soon is no new beginning. */
function nextCounter(before: CpuCounter | null, now: CpuCounter | null): CpuCounter | null {
  if (before === null || now === null) return now ?? before;
  const spanMs = now.atMs - before.atMs;
  if (spanMs < -MAX_LATE_MS) return now;
  if (isSameRun(before, now)) return spanMs < MIN_SPAN_MS ? before : now;
  // What an earlier run said, late, does not end this one.
  return now.startMs <= before.startMs && spanMs <= 0 ? before : now;
}

function deltaCores(points: readonly MetricPoint[]): number | null {
  const last = newest(points, CPU_TIME, "delta");
  const [first] = last;
  if (first === undefined || first.startMs === 0 || first.atMs - first.startMs < MIN_SPAN_MS) return null;
  return (1_000 * busy(last)) / (first.atMs - first.startMs);
}
