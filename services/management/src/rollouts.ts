// RolloutService: records what operators want of rollouts and shows how far they are. Moves nothing itself: a worker
// sees the wish and acts on it.

import {
  type ConfigId,
  FleetError,
  initialStatus,
  parseConfigId,
  parseRolloutId,
  type Rollout,
  type RolloutId,
  type RolloutSpec,
} from "@muster/fleet";
import type { RolloutService, StartRolloutRequest } from "@muster/protocol/muster/rollouts";
import { type Configs, type Rollouts, rolloutActive, type StoredConfig, type StoredRollout } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { checked, parseCount, parseRequestId, parseText } from "./checked.ts";
import { existing } from "./configs.ts";
import { decodePageToken, pageOf, parsePageSize } from "./paging.ts";
import { parseApplyTimeout, parseStages, toRollout } from "./translate-rollout.ts";
import { type RolloutHints, watchRollout } from "./watch-rollout.ts";
import { type Verb, wished } from "./wish.ts";

/** What this service writes and reads. */
export interface RolloutDeps {
  readonly configs: Pick<Configs, "get" | "revision">;
  readonly rollouts: Pick<Rollouts, "start" | "get" | "list" | "wish">;
  readonly hints: RolloutHints;
  /** Asks a worker to look; never fails the caller, since a lost request is healed by the workers' own sweep. */
  requestReconcile(id: RolloutId): void;
  readonly nowMs: () => number;
  readonly newRolloutId: () => RolloutId;
}

const MAX_REASON_CHARS = 1_000;
/** Times a verb is tried again when somebody else was faster. */
const MAX_RACES = 10;

/** The methods of RolloutService. */
export function createRolloutService(deps: RolloutDeps): MethodsOf<typeof RolloutService> {
  const verb = (name: Verb) => async (request: { readonly rolloutId: string; readonly reason: string }) => {
    const { id, reason } = checked({
      id: () => parseRolloutId(request.rolloutId),
      reason: () => parseText("reason", request.reason, MAX_REASON_CHARS),
    });
    return { rollout: toRollout(await wish(deps, id, name, reason)) };
  };
  return {
    startRollout: async (request) => ({ rollout: toRollout(await start(deps, request)) }),
    async getRollout(request) {
      return { rollout: toRollout(await existingRollout(deps, parseRolloutId(request.rolloutId))) };
    },
    async listRollouts(request) {
      const list = ["rollouts", request.configId];
      const { pageSize, before, configId } = checked({
        pageSize: () => parsePageSize(request.pageSize),
        before: () => decodePageToken(list, request.pageToken),
        configId: () => (request.configId === "" ? undefined : parseConfigId(request.configId)),
      });
      const found = await deps.rollouts.list(before, pageSize + 1, configId);
      const page = pageOf(found, pageSize, list, ({ spec }) => spec.id);
      return { rollouts: page.items.map(toRollout), nextPageToken: page.nextPageToken };
    },
    watchRollout: (request, { signal }) => watch(deps, request.rolloutId, signal),
    pauseRollout: verb("pause"),
    resumeRollout: verb("resume"),
    abortRollout: verb("abort"),
  };
}

async function* watch(deps: RolloutDeps, rolloutId: string, signal: AbortSignal) {
  const id = parseRolloutId(rolloutId);
  const { hints, nowMs } = deps;
  yield* watchRollout({ hints, nowMs, read: () => existingRollout(deps, id) }, id, signal);
}

async function start(deps: RolloutDeps, request: StartRolloutRequest): Promise<Rollout> {
  const { configId, revision, stages, applyTimeoutMs, reason, requestId } = checked({
    configId: () => parseConfigId(request.configId),
    revision: () => parseCount("revision", request.revision),
    stages: () => parseStages(request.stages),
    applyTimeoutMs: () => parseApplyTimeout(request.applyTimeout),
    reason: () => parseText("reason", request.reason, MAX_REASON_CHARS),
    requestId: () => parseRequestId(request.requestId),
  });
  const stored = await existing(deps.configs, configId);
  const pinned = await pinRevision(deps, stored, revision);
  const spec: RolloutSpec = {
    id: deps.newRolloutId(),
    configId,
    ...pinned,
    selector: stored.config.selector,
    order: stored.config.order,
    stages,
    applyTimeoutMs,
    reason,
    createdAtMs: deps.nowMs(),
    generation: 1,
    wish: "run",
    wishReason: "",
  };
  if (request.validateOnly) return wouldStart(stored, spec);
  const rollout = await deps.rollouts.start(spec, requestId);
  deps.requestReconcile(rollout.spec.id);
  return rollout;
}

/** The revision to bring; 0 is the latest. */
async function pinRevision(
  { configs }: RolloutDeps,
  { config }: StoredConfig,
  wanted: number,
): Promise<Pick<RolloutSpec, "revision" | "hash">> {
  const revision = await configs.revision(config.id, wanted);
  if (revision === undefined) throw noRevision(config.id, wanted, config.latestRevision);
  return { revision: revision.number, hash: revision.hash };
}

function noRevision(id: ConfigId, wanted: number, latest: number): FleetError {
  const has =
    latest === 0 ? "has no revision yet; publish one first." : `has no revision ${wanted}; its latest is ${latest}.`;
  const details = { config_id: id, revision: String(wanted), latest_revision: String(latest) };
  return new FleetError("failed_precondition", `Config "${id}" ${has}`, { reason: "REVISION_NOT_FOUND", details });
}

function wouldStart({ activeRollout }: StoredConfig, spec: RolloutSpec): Rollout {
  if (activeRollout !== null) throw rolloutActive(spec.configId, activeRollout);
  return { spec, status: initialStatus(spec) };
}

async function existingRollout({ rollouts }: RolloutDeps, id: RolloutId): Promise<StoredRollout> {
  const stored = await rollouts.get(id);
  if (stored !== undefined) return stored;
  const message = `There is no rollout ${id}; list those there are.`;
  throw new FleetError("not_found", message, { reason: "ROLLOUT_NOT_FOUND", details: { rollout_id: id } });
}

async function wish(deps: RolloutDeps, id: RolloutId, verb: Verb, reason: string): Promise<Rollout> {
  for (let races = 0; races < MAX_RACES; races++) {
    const stored = await existingRollout(deps, id);
    const spec = wished(stored, verb, reason);
    if (!(await deps.rollouts.wish(spec))) continue;
    deps.requestReconcile(id);
    return { ...stored, spec };
  }
  const message = `Others steer rollout ${id} at this moment; look at it again before you ${verb} it.`;
  throw new FleetError("conflict", message, { reason: "GENERATION_MISMATCH", details: { rollout_id: id } });
}
