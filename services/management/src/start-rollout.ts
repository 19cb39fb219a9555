// StartRollout, and what it has in common with PlanRollout: from a request to the spec of a rollout, checked against the
// config, its revision, its quarantine and the fleet as it is now.

import {
  type Calendar,
  type CohortAgent,
  type Config,
  type ConfigId,
  driftOf,
  FleetError,
  type Group,
  initialStatus,
  parseConfigId,
  parseTargetSelector,
  type Revision,
  type Rollout,
  type RolloutId,
  type RolloutPolicy,
  type RolloutSpec,
  type Stage,
} from "@muster/fleet";
import type { StartRolloutRequest } from "@muster/protocol/muster/rollouts";
import {
  type Cohorts,
  type Configs,
  type Documents,
  type Rollouts,
  rolloutActive,
  type Secrets,
  type StoredConfig,
} from "@muster/store";
import { checked, parseCount, parseRequestId, parseText } from "./checked.ts";
import { existing } from "./existing-config.ts";
import { needsOf } from "./needs.ts";
import { parseApplyTimeout, parseSettings } from "./parse-settings.ts";
import { parseStages } from "./parse-stages.ts";
import { loadPlan, type PlanRecord } from "./plan-record.ts";
import { withPolicy } from "./policies.ts";
import { withGroups } from "./records.ts";

/** What it reads and writes. */
export interface StartDeps {
  readonly configs: Pick<Configs, "get" | "revision">;
  readonly secrets: Pick<Secrets, "open">;
  readonly rollouts: Pick<Rollouts, "start" | "quarantined" | "savePlan" | "loadPlan" | "get">;
  readonly cohorts: Pick<Cohorts, "load">;
  readonly calendars: Pick<Documents<Calendar>, "get">;
  readonly groups: Pick<Documents<Group>, "get">;
  readonly policies: Pick<Documents<RolloutPolicy>, "get">;
  readonly nowMs: () => number;
  readonly newRolloutId: () => RolloutId;
}

const MAX_REASON_CHARS = 1_000;
const MAX_WORD_CHARS = 128;

/** A rollout as it would start now. */
export interface Prepared {
  readonly spec: RolloutSpec;
  readonly revision: Revision;
  readonly config: StoredConfig;
  /** Agents that it is for; null when they were not needed yet. */
  readonly cohort: readonly CohortAgent[] | null;
}

/** Checks a request and makes the spec of it. @throws FleetError `invalid`, `not_found`, `failed_precondition` */
export async function prepare(
  deps: StartDeps,
  request: StartRolloutRequest,
  user: string,
  needsCohort: boolean,
): Promise<Prepared> {
  const {
    configId,
    number,
    settings,
    requestId: _,
    applyTimeoutMs,
    stages,
    ...texts
  } = checked({
    configId: () => parseConfigId(request.configId),
    number: () => parseCount("revision", request.revision),
    settings: () => parseSettings(request.settings),
    applyTimeoutMs: () => parseApplyTimeout(request.applyTimeout),
    reason: () => parseText("reason", request.reason, MAX_REASON_CHARS),
    source: () => parseText("source", request.source, MAX_WORD_CHARS),
    commit: () => parseText("commit", request.commit, MAX_WORD_CHARS),
    quarantineOverride: () => parseText("quarantine_override", request.quarantineOverride, MAX_REASON_CHARS),
    requestId: () => parseRequestId(request.requestId),
    stages: () => parseStages(request.stages, request.growth, 1),
  });
  await mustHaveCalendars(deps, settings.timing.calendarIds);
  await mustHaveDependencies(deps, stages, request.growth !== undefined);
  const config = await existing(deps.configs, configId);
  const revision = await pinRevision(deps, config, number);
  await mustHaveSecrets(deps, revision);
  const { order } = config.config;
  const selector = await pinSelector(deps, config.config);
  const id = deps.newRolloutId();
  const needs = needsOf(revision);
  const isNeeded = needsCohort || request.growth !== undefined || request.planId !== "";
  const cohort = isNeeded ? await deps.cohorts.load({ id, selector, components: needs.components }) : null;
  const spec: RolloutSpec = {
    ...settings,
    ...texts,
    id,
    configId,
    revision: revision.number,
    hash: revision.hash,
    selector,
    order,
    seed: settings.seed || id,
    stages: await pinStages(deps, parseStages(request.stages, request.growth, cohort?.length ?? 0)),
    timing: { ...settings.timing, applyTimeoutMs },
    ...needs,
    planned: null,
    author: user,
    createdAtMs: deps.nowMs(),
    generation: 1,
    wish: "run",
    wishGeneration: 1,
    wishReason: "",
    wishedBy: user,
    acceptsFailures: false,
    approvals: [],
    promotions: [],
    retries: [],
  };
  return { spec, revision, config, cohort };
}

/** Who a config is for, with what its groups ask for today: a group that changes later moves nobody. */
async function pinSelector({ groups }: StartDeps, { id, selector }: Config): Promise<string> {
  try {
    return await pinGroups(groups, selector);
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== "invalid") throw error;
    const why = error.violations.map(({ description }) => description).join(" ");
    const message = `Config "${id}" is for ${selector}: ${why} Change its selector.`;
    throw new FleetError("failed_precondition", message, { reason: "GROUP_UNUSABLE", details: { config_id: id } });
  }
}

async function pinStages({ groups }: StartDeps, stages: readonly Stage[]): Promise<readonly Stage[]> {
  const pinned = stages.map(async (stage, i) => {
    const { size } = stage;
    if (size.kind !== "selector") return stage;
    return { ...stage, size: { ...size, selector: await pinGroups(groups, size.selector, `stages[${i}].`) } };
  });
  return await Promise.all(pinned);
}

/** @throws FleetError `invalid` when a group is not there, or asks for facts */
async function pinGroups(groups: StartDeps["groups"], selector: string, at = ""): Promise<string> {
  try {
    return parseTargetSelector((await withGroups(groups, parseTargetSelector(selector))).text).text;
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== "invalid") throw error;
    throw FleetError.invalid(error.violations.map((each) => ({ ...each, field: `${at}${each.field}` })));
  }
}

/** A calendar that is not there freezes nothing, and nobody would notice. */
async function mustHaveCalendars({ calendars }: StartDeps, ids: readonly string[]): Promise<void> {
  const found = await Promise.all(ids.map((id) => calendars.get(id)));
  const missing = ids.filter((_, i) => found[i] === undefined);
  if (missing.length === 0) return;
  const description = `there is no calendar ${missing.map((id) => `"${id.slice(0, 63)}"`).join(", ")}; list those there are.`;
  throw FleetError.invalid([{ field: "settings.timing.calendar_ids", description }]);
}

/** Without its secrets a revision could be offered to nobody. */
async function mustHaveSecrets({ secrets }: StartDeps, { configId, number, secrets: pins }: Revision): Promise<void> {
  const values = await Promise.all(pins.map((pin) => secrets.open(pin)));
  const missing = pins.filter((_, i) => values[i] === undefined);
  if (missing.length === 0) return;
  const names = missing.map(({ id, version }) => `${id} (version ${version})`).join(", ");
  const message = `Revision ${number} of "${configId}" refers to secrets that are gone: ${names}. Publish it again with secrets that are there.`;
  const details = { config_id: configId, revision: String(number) };
  throw new FleetError("failed_precondition", message, { reason: "SECRET_NOT_FOUND", details });
}

/** A rollout that is not there never succeeds: better said now than when the stage has baked. */
async function mustHaveDependencies(
  { rollouts }: StartDeps,
  stages: readonly Stage[],
  isGrowth: boolean,
): Promise<void> {
  // Every stage of a growth has the same gates.
  const asked = (isGrowth ? stages.slice(0, 1) : stages).flatMap(({ gates }, i) =>
    gates.flatMap((gate, j) =>
      gate.kind === "dependency"
        ? [{ id: gate.rolloutId, at: `${isGrowth ? "growth.stage" : `stages[${i}]`}.gates[${j}]` }]
        : [],
    ),
  );
  const found = await Promise.all(asked.map(({ id }) => rollouts.get(id)));
  const missing = asked.filter((_, i) => found[i] === undefined);
  if (missing.length === 0) return;
  throw FleetError.invalid(
    missing.map(({ id, at }) => ({ field: `${at}.dependency.rollout_id`, description: `there is no rollout ${id}.` })),
  );
}

/** Starts a rollout, or says what would be started. */
export async function startRollout(deps: StartDeps, given: StartRolloutRequest, user: string): Promise<Rollout> {
  const request = await withPolicy(deps, given);
  const prepared = await prepare(deps, request, user, false);
  await mustNotBeQuarantined(deps, prepared.spec);
  const spec = request.planId === "" ? prepared.spec : await withPlan(deps, request, prepared);
  if (request.validateOnly) return wouldStart(prepared.config, spec);
  return await deps.rollouts.start(spec, request.requestId, true);
}

/** The rollout as it was planned: the same request, over a fleet that is still about the same. */
async function withPlan(
  deps: StartDeps,
  request: StartRolloutRequest,
  { spec, cohort }: Prepared,
): Promise<RolloutSpec> {
  const plan = await loadPlan(deps.rollouts, request);
  if (plan.hash !== spec.hash) throw outdated(plan, `the revision was ${plan.revision}, and is ${spec.revision} now`);
  if (plan.selector !== spec.selector || plan.order !== spec.order)
    throw outdated(plan, "the config is for others now, or merges elsewhere");
  const planned = { targeted: plan.targeted, stages: plan.stages };
  const started = { ...spec, seed: plan.seed, planned };
  const drift = driftOf(planned, started, cohort ?? []);
  if (drift !== null) throw outdated(plan, drift);
  return started;
}

function outdated({ planId }: PlanRecord, why: string): FleetError {
  const message = `Plan ${planId} does not hold any more: ${why}. Plan the rollout again.`;
  return new FleetError("failed_precondition", message, { reason: "PLAN_OUTDATED", details: { plan_id: planId } });
}

/** @throws FleetError `failed_precondition` when content is quarantined and nobody overrode that */
export async function mustNotBeQuarantined(
  { rollouts }: Pick<StartDeps, "rollouts">,
  { configId, hash, quarantineOverride }: RolloutSpec,
): Promise<void> {
  const found = (await rollouts.quarantined(configId)).find((each) => each.hash === hash);
  if (found === undefined || quarantineOverride !== "") return;
  const message = `This content of "${configId}" is quarantined since rollout ${found.rolloutId}: ${found.reason} Publish another revision, or start it with quarantine_override saying why that does not count.`;
  const details = { config_id: configId, rollout_id: found.rolloutId, hash };
  throw new FleetError("failed_precondition", message, { reason: "REVISION_QUARANTINED", details });
}

/** The revision to bring; 0 is the latest. */
async function pinRevision({ configs }: StartDeps, { config }: StoredConfig, wanted: number): Promise<Revision> {
  const revision = await configs.revision(config.id, wanted);
  if (revision === undefined) throw noRevision(config.id, wanted, config.latestRevision);
  return revision;
}

function noRevision(id: ConfigId, wanted: number, latest: number): FleetError {
  const has =
    latest === 0 ? "has no revision yet; publish one first." : `has no revision ${wanted}; its latest is ${latest}.`;
  const details = { config_id: id, revision: String(wanted), latest_revision: String(latest) };
  return new FleetError("failed_precondition", `Config "${id}" ${has}`, { reason: "REVISION_NOT_FOUND", details });
}

function wouldStart({ activeRollout }: StoredConfig, spec: RolloutSpec): Rollout {
  if (activeRollout !== null && spec.onConflict === "reject") throw rolloutActive(spec.configId, activeRollout);
  return { spec, status: initialStatus(spec) };
}
