// Takes one measurement of one gate: asks a provider of metrics or a webhook, and makes a reading of the answer. Decides
// nothing: what a value is and what readings add up to is fleet's (gate-verdict.ts). Taking one twice is harmless.

import {
  type Condition,
  FleetError,
  type InstanceUid,
  judgeValue,
  type MetricGate,
  type Reading,
  renderQuery,
  type WebhookGate,
} from "@muster/fleet";
import type { MetricProvider } from "./metric-provider.ts";
import type { AskWebhook, WebhookQuestion } from "./webhook.ts";

/** Which measurement. */
export interface MeasureRequest extends Omit<WebhookQuestion, "gate"> {
  readonly gate: MetricGate | WebhookGate;
  /** Agents that have the new revision, and those that still have the old one; each in the order of their rank. */
  readonly canary: readonly InstanceUid[];
  readonly control: readonly InstanceUid[];
}

/** What it needs. */
export interface MeasureDeps {
  /** By the name that gates call them. */
  readonly providers: ReadonlyMap<string, MetricProvider>;
  readonly webhook: AskWebhook;
  nowMs(): number;
}

type Taken = Pick<Reading, "outcome" | "value" | "message">;

/**
 * One measurement. Never rejects: what goes wrong is a reading too, an `error` with a sentence. So is one that `signal`
 * cut short; a worker that is ending drops it, for it says nothing about the gate.
 */
export async function measure(request: MeasureRequest, deps: MeasureDeps, signal: AbortSignal): Promise<Reading> {
  const { stage, gate, gateIndex, n } = request;
  const head = { stage, gate: gateIndex, n, atMs: deps.nowMs() };
  try {
    if (gate.kind === "metric") return { ...head, ...(await measureMetric(gate, request, deps, head.atMs, signal)) };
    return { ...head, value: null, ...(await deps.webhook({ ...request, gate }, signal)) };
  } catch (error) {
    return { ...head, outcome: "error", value: null, message: FleetError.from(error).message };
  }
}

async function measureMetric(
  gate: MetricGate,
  { canary, control }: MeasureRequest,
  { providers }: MeasureDeps,
  atMs: number,
  signal: AbortSignal,
): Promise<Taken> {
  const provider = providers.get(gate.provider);
  if (provider === undefined) {
    const remedy = gate.provider === "prometheus" ? "; set MUSTER_ROLLOUT_PROMETHEUS_URL" : "";
    throw new FleetError("failed_precondition", `Workers do not know where ${gate.provider} is${remedy}.`);
  }
  const ask = (agents: readonly InstanceUid[]) => provider.measure(renderQuery(gate.query, agents), atMs, signal);
  if (gate.compare === null) {
    const value = await ask(canary);
    return value === null ? unsure("The query found no data.") : judge(gate, value, print(value));
  }
  if (canary.length === 0) return unsure("No agent has the new revision yet; there is nothing to compare.");
  if (control.length === 0) return unsure("No agent has the old revision any more; there is nothing to compare with.");
  const [ofCanary, ofControl] = await Promise.all([ask(canary), ask(control)]);
  return compare(gate, gate.compare, ofCanary, ofControl);
}

/** Judges the new against the old. */
function compare(
  gate: MetricGate,
  how: NonNullable<MetricGate["compare"]>,
  canary: number | null,
  control: number | null,
): Taken {
  if (canary === null) return unsure("The query found no data of agents with the new revision.");
  if (control === null) return unsure("The query found no data of agents with the old revision.");
  const sides = `new ${print(canary)}, old ${print(control)}`;
  if (how === "difference") return judge(gate, canary - control, `difference ${print(canary - control)} (${sides})`);
  if (control === 0) return unsure(`There is no ratio to zero (${sides}).`);
  return judge(gate, canary / control, `ratio ${print(canary / control)} (${sides})`);
}

function judge(gate: MetricGate, value: number, measured: string): Taken {
  const rules = [...describe("success", gate.success), ...describe("failure", gate.failure)];
  const message = `Measured ${measured}; ${rules.join(", ")}.`;
  return { outcome: judgeValue(gate, value), value: Number.isFinite(value) ? value : null, message };
}

function unsure(message: string): Taken {
  return { outcome: "inconclusive", value: null, message };
}

function describe(what: string, condition: Condition | null): readonly string[] {
  return condition === null ? [] : [`${what} is ${condition.op} ${print(condition.value)}`];
}

/** Six digits are enough to judge by eye. */
function print(value: number): string {
  return Number.isFinite(value) ? `${Number(value.toPrecision(6))}` : `${value}`;
}
