// What people type into options, as what the API takes. Pure. A text that is wrong is a usage error with a sentence.

import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type RolloutStage, RolloutStageSchema } from "@muster/protocol/muster/rollouts";
import { InvalidArgumentError } from "commander";
import { parseSpanMs } from "./text.ts";

/** Longest span that any option takes. */
const MAX_SPAN_MS = 365 * 86_400_000;

/** A span of time in milliseconds. */
export function spanOption(text: string): number {
  const ms = parseSpanMs(text);
  if (ms === null || ms > MAX_SPAN_MS)
    throw new InvalidArgumentError("Write a span such as 30s, 5m or 1h30m, at most 365d.");
  return ms;
}

/** A moment, in milliseconds since 1970. */
export function timeOption(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError("Write a time such as 2027-01-31T08:00:00Z.");
  return ms;
}

/** A whole number from `min` on. */
export function countOption(min: number): (text: string) => number {
  return (text) => {
    const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (count >= min && Number.isSafeInteger(count)) return count;
    throw new InvalidArgumentError(`Write a whole number from ${min} on.`);
  };
}

/** Stages such as `10%,50%:5m,100%` or `5,25,100%`. */
export function stagesOption(text: string): readonly StageText[] {
  return text.split(",").map((part) => parseStage(part.trim()));
}

/** One stage as typed. */
export interface StageText {
  readonly size:
    | { readonly case: "percent"; readonly value: number }
    | { readonly case: "count"; readonly value: bigint };
  /** null: whatever --bake says. */
  readonly bakeMs: number | null;
}

function parseStage(text: string): StageText {
  const [, amount = "", percent, bake] = /^(\d+(?:\.\d+)?)(%)?(?::(\w+))?$/.exec(text) ?? [];
  const bakeMs = bake === undefined ? null : parseSpanMs(bake);
  const isWrong = amount === "" || (percent === undefined && amount.includes("."));
  if (isWrong || (bake !== undefined && bakeMs === null)) {
    throw new InvalidArgumentError(`"${text}" is no stage; write 10%, 25 or, with a bake time of its own, 10%:30s.`);
  }
  if (percent === undefined) return { size: { case: "count", value: BigInt(amount) }, bakeMs };
  return { size: { case: "percent", value: Number(amount) }, bakeMs };
}

/** Stages for the API: those typed, or one for everybody, each with its own bake time or the common one, if there is one. */
export function toStages(typed: readonly StageText[] | undefined, bakeMs: number | undefined): RolloutStage[] {
  const stages = typed ?? [{ size: { case: "percent", value: 100 } as const, bakeMs: null }];
  return stages.map((stage) => {
    const ms = stage.bakeMs ?? bakeMs;
    return create(RolloutStageSchema, { size: stage.size, ...(ms !== undefined && { bake: durationFromMs(ms) }) });
  });
}

/** Where the management server is: `host:port`, or a URL for TLS. */
export function serverOption(text: string): string {
  const url = text.includes("://") ? text : `http://${text}`;
  const isUrl = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) && new URL(url).pathname === "/";
  if (!isUrl) throw new InvalidArgumentError("Write host:port, or https://host:port for TLS.");
  return url;
}

/** What a file is by its name; null when the name does not tell. */
export function contentTypeOf(name: string): string | null {
  if (/\.ya?ml$/i.test(name)) return "text/yaml";
  return /\.json$/i.test(name) ? "application/json" : null;
}
