// The stages of a rollout, from the API's words. Pure; everything that is wrong with any of them is told at once.

import {
  DEFAULT_STAGE,
  FleetError,
  growthStages,
  MAX_STAGES,
  parseTarget,
  type Stage,
  type StageSize,
  type Violation,
} from "@muster/fleet";
import { type RolloutStage as ProtoStage, type RolloutGrowth, StageOrder } from "@muster/protocol/muster/rollouts";
import { parseGate } from "./parse-gate.ts";
import { createSpans, type Spans } from "./parse-span.ts";

const EVERYBODY: StageSize = { kind: "percent", percent: 100 };
const MAX_NAME_CHARS = 100;
const MAX_GATES = 10;

/**
 * The stages of a request, with a last one for everybody where there is none. A growth needs the number of agents that
 * match now, to know when it reaches everybody.
 * @throws FleetError `invalid` with everything that is wrong with any of them
 */
export function parseStages(
  stages: readonly ProtoStage[],
  growth: RolloutGrowth | undefined,
  fleetSize: number,
): readonly Stage[] {
  const violations: Violation[] = [];
  if (growth !== undefined && stages.length > 0) {
    violations.push({ field: "growth", description: "give stages or a growth, not both." });
  }
  const parsed = growth === undefined ? parseAll(stages, violations) : parseGrowth(growth, fleetSize, violations);
  if (parsed.length > MAX_STAGES) {
    violations.push({
      field: "stages",
      description: `${parsed.length} stages are more than the ${MAX_STAGES} a rollout may have.`,
    });
  }
  if (violations.length > 0) throw FleetError.invalid(violations);
  return parsed;
}

function parseAll(stages: readonly ProtoStage[], violations: Violation[]): readonly Stage[] {
  const few = stages.slice(0, MAX_STAGES + 1);
  const parsed = few.map((stage, i) =>
    parseStage(stage, sizeOf(stage, `stages[${i}]`, violations), `stages[${i}]`, violations),
  );
  for (const [i, { size }] of parsed.entries())
    violations.push(...assessOrder(parsed.slice(0, i), size, `stages[${i}]`));
  const last = parsed.at(-1);
  if (last !== undefined && isEverybody(last.size)) return parsed;
  // Whoever is left when the last stage that was asked for is done: as that one, without its gates and people.
  return [...parsed, { ...DEFAULT_STAGE, ...(last ?? {}), name: "", gates: [], promotions: 0, size: EVERYBODY }];
}

function parseGrowth(
  { initial, factor, max, stage }: RolloutGrowth,
  fleetSize: number,
  violations: Violation[],
): readonly Stage[] {
  if (initial < 1n) violations.push({ field: "growth.initial", description: `${initial} is not a number from 1 on.` });
  if (factor !== 0 && factor < 1) violations.push({ field: "growth.factor", description: `${factor} is less than 1.` });
  if (max < 0n) violations.push({ field: "growth.max", description: `${max} is not a number from 0 on.` });
  if (violations.length > 0) return [];
  const { size: _, ...template } =
    stage === undefined
      ? { ...DEFAULT_STAGE, size: EVERYBODY }
      : parseStage(stage, EVERYBODY, "growth.stage", violations);
  const shape = {
    initial: Number(initial),
    factor: factor || 2,
    max: max === 0n ? Number.POSITIVE_INFINITY : Number(max),
  };
  return growthStages(shape, template, fleetSize);
}

function parseStage(proto: ProtoStage, size: StageSize, field: string, violations: Violation[]): Stage {
  const spans: Spans = createSpans(violations);
  if (proto.name.length > MAX_NAME_CHARS)
    violations.push({ field: `${field}.name`, description: `is longer than ${MAX_NAME_CHARS} characters.` });
  if (proto.gates.length > MAX_GATES)
    violations.push({
      field: `${field}.gates`,
      description: `${proto.gates.length} gates are more than ${MAX_GATES}.`,
    });
  const gates = proto.gates.slice(0, MAX_GATES).flatMap((gate, i) => {
    const parsed = parseGate(gate, `${field}.gates[${i}]`, spans, violations);
    return parsed === null ? [] : [parsed];
  });
  const names = gates.map(({ name }) => name);
  if (new Set(names).size < names.length)
    violations.push({ field: `${field}.gates`, description: "two gates have the same name." });
  return {
    name: proto.name,
    size,
    order: spans.choice(`${field}.order`, ORDERS, proto.order),
    maxInFlight: spans.limit(`${field}.max_in_flight`, proto.maxInFlight),
    successMinPercent: spans.number(
      `${field}.success_min_percent`,
      proto.successMinPercent,
      DEFAULT_STAGE.successMinPercent,
      0,
      100,
    ),
    bakeMs: spans.read(`${field}.bake`, proto.bake, DEFAULT_STAGE.bakeMs),
    gates,
    promotions: spans.number(`${field}.promotions`, proto.promotions, 0, 0, 100),
  };
}

const ORDERS = {
  [StageOrder.UNSPECIFIED]: "sticky_hash",
  [StageOrder.STICKY_HASH]: "sticky_hash",
  [StageOrder.OLDEST_FIRST]: "oldest_first",
  [StageOrder.RISK_LOW_FIRST]: "risk_low_first",
} as const;

function sizeOf({ size }: ProtoStage, field: string, violations: Violation[]): StageSize {
  switch (size.case) {
    case "count": {
      const isCount = size.value >= 1n && size.value <= BigInt(Number.MAX_SAFE_INTEGER);
      if (!isCount)
        violations.push({ field: `${field}.count`, description: `${size.value} is not a number from 1 on.` });
      return { kind: "count", count: Number(size.value) };
    }
    case "percent":
      if (!(size.value > 0 && size.value <= 100)) {
        violations.push({ field: `${field}.percent`, description: `${size.value} is not above 0 and up to 100.` });
      }
      return { kind: "percent", percent: size.value };
    case "selector":
      try {
        return { kind: "selector", selector: parseTarget(size.value) };
      } catch (error) {
        if (!(error instanceof FleetError)) throw error;
        violations.push(...error.violations.map((each) => ({ ...each, field: `${field}.selector` })));
        return EVERYBODY;
      }
    case undefined:
      violations.push({ field, description: "give a percent, a count or a selector." });
      return EVERYBODY;
  }
}

/** Sizes are cumulative. A share and a number cannot be compared before the fleet is counted, nor can a selector. */
function assessOrder(earlier: readonly Stage[], size: StageSize, field: string): readonly Violation[] {
  if (earlier.some((stage) => isEverybody(stage.size))) {
    return [{ field, description: "a stage before it reaches every agent already." }];
  }
  const before = earlier.findLast((stage) => stage.size.kind === size.kind)?.size;
  const [amount, least] = [amountOf(size), amountOf(before)];
  if (amount === null || least === null || amount > least) return [];
  const description = `${amount} does not go beyond the ${least} of a stage before; sizes are cumulative.`;
  return [{ field: `${field}.${size.kind}`, description }];
}

function amountOf(size: StageSize | undefined): number | null {
  switch (size?.kind) {
    case "percent":
      return size.percent;
    case "count":
      return size.count;
    default:
      return null;
  }
}

function isEverybody(size: StageSize): boolean {
  return size.kind === "percent" && size.percent === 100;
}
