// What a scenario measures and what is asked of it, as data: metrics, ratios between servers, and targets. Pure.
// summary.ts works it out over the readings of a run.

/** What a number counts. */
export type Unit = "us" | "ms" | "s" | "bytes" | "per second" | "share" | "count" | "ratio";

/** One thing that is measured, for each subject in each round. */
export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
}

/** The same metric of two subjects, divided round by round. */
export interface RatioPlan {
  readonly id: string;
  readonly title: string;
  readonly metric: string;
  readonly of: string;
  readonly to: string;
}

/** Which number a target is about. */
export type Measured =
  | { readonly kind: "metric"; readonly metric: string; readonly subject: string }
  | { readonly kind: "ratio"; readonly ratio: string };

/** What the median of some rounds should be. */
export interface TargetPlan {
  readonly title: string;
  readonly measured: Measured;
  readonly bound: "at most" | "at least";
  readonly limit: number;
  readonly unit: Unit;
  /** A smaller fleet says nothing about the target. */
  readonly minAgents: number;
}

/** Everything that is made of a scenario's readings. */
export interface Plan {
  readonly metrics: readonly Metric[];
  readonly ratios: readonly RatioPlan[];
  readonly targets: readonly TargetPlan[];
}

/** What one round measured of one subject: a server, or a way of doing it. Values by metric. */
export interface Reading {
  readonly round: number;
  readonly subject: string;
  readonly values: Readonly<Record<string, number>>;
}

/** A number as a person reads it: `12.3 us`, `3.9 KB`, `54 %`. */
export function formatValue(value: number, unit: Unit): string {
  switch (unit) {
    case "us":
      return `${precise(value)} µs`;
    case "ms":
      return `${precise(value)} ms`;
    case "s":
      return `${precise(value)} s`;
    case "bytes":
      return formatBytes(value);
    case "per second":
      return `${grouped(value)}/s`;
    case "share":
      return `${precise(value * 100)} %`;
    case "count":
      return Number.isInteger(value) ? grouped(value) : precise(value);
    case "ratio":
      return `${value.toFixed(value < 0.2 ? 3 : 2)} x`;
  }
}

function formatBytes(bytes: number): string {
  const size = Math.abs(bytes);
  if (size < 1024 ** 2) return `${precise(bytes / 1024)} KB`;
  return size < 1024 ** 3 ? `${precise(bytes / 1024 ** 2)} MB` : `${precise(bytes / 1024 ** 3)} GB`;
}

/** Three digits, or as many as the whole part has. */
function precise(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value
    .toFixed(digits)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");
}

function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}
