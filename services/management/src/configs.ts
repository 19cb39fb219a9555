// ConfigService: writes and reads configs and their revisions. Reaches no agent; that takes a rollout.

import { DEFAULT_ORDER, FleetError, parseConfigId, parseTarget } from "@muster/fleet";
import type {
  ConfigService,
  DeleteConfigRequest,
  Config as ProtoConfig,
  UpdateConfigRequest,
} from "@muster/protocol/muster/configs";
import { type ConfigHead, type Configs, generationConflict, type StoredConfig } from "@muster/store";
import { blameRevision } from "./blame-revision.ts";
import type { MethodsOf } from "./call.ts";
import { checked, invalid, parseCount, parseRequestId, parseText, within } from "./checked.ts";
import { diffRevisions } from "./diff-revisions.ts";
import { existing, existingRevision } from "./existing-config.ts";
import { parseMask } from "./mask.ts";
import { decodePageToken, pageOf, parsePageSize } from "./paging.ts";
import type { FindSecret } from "./pin-secrets.ts";
import { publishRevision, restoreRevision } from "./publish-revision.ts";
import { type RenderDeps, renderConfig } from "./render-config.ts";
import { parseOrder, toConfig, toRevision } from "./translate-config.ts";
import { type ValidateDeps, validateConfig } from "./validate-config.ts";

/** What this service writes and reads. */
export interface ConfigDeps extends RenderDeps, ValidateDeps {
  readonly configs: Configs;
  readonly secrets: FindSecret;
  readonly agents: RenderDeps["agents"] & ValidateDeps["agents"];
  readonly nowMs: () => number;
}

const MAX_DESCRIPTION_CHARS = 1_000;
const CHANGEABLE = ["selector", "order", "description", "fragment"] as const;
/** Times an update without `expected_generation` is tried again when somebody else was faster. */
const MAX_RACES = 10;

/** The methods of ConfigService. */
export function createConfigService(deps: ConfigDeps): MethodsOf<typeof ConfigService> {
  const { configs } = deps;
  return {
    async createConfig(request) {
      const { requestId, ...head } = checked({
        id: () => parseConfigId(request.configId),
        selector: () => parseTarget(request.selector),
        order: () => parseOrder(request.order ?? DEFAULT_ORDER),
        description: () => parseText("description", request.description, MAX_DESCRIPTION_CHARS),
        isFragment: () => request.fragment,
        requestId: () => parseRequestId(request.requestId),
      });
      const stored = await create(deps, head, requestId, request.validateOnly);
      return { config: toConfig(stored) };
    },
    updateConfig: async (request) => ({ config: toConfig(await update(deps, request)) }),
    async getConfig(request) {
      return { config: toConfig(await existing(configs, parseConfigId(request.configId))) };
    },
    async listConfigs(request) {
      const list = ["configs"];
      const { pageSize, after } = checked({
        pageSize: () => parsePageSize(request.pageSize),
        after: () => decodePageToken(list, request.pageToken),
      });
      const page = pageOf(await configs.list(after, pageSize + 1), pageSize, list, ({ config }) => config.id);
      return { configs: page.items.map(toConfig), nextPageToken: page.nextPageToken };
    },
    deleteConfig: async (request) => ({ config: toConfig(await remove(deps, request)) }),
    publishRevision: (request, { user }) => publishRevision(deps, request, user),
    restoreRevision: (request, { user }) => restoreRevision(deps, request, user),
    async getRevision(request) {
      const { id, number } = checked({
        id: () => parseConfigId(request.configId),
        number: () => parseCount("revision", request.revision),
      });
      return { revision: toRevision(await existingRevision(configs, id, number), true) };
    },
    diffRevisions: (request) => diffRevisions(deps, request),
    blameRevision: (request, { signal }) => blameRevision(deps, request, signal),
    validateConfig: (request, { signal }) => validateConfig(deps, request, signal),
    renderConfig: (request) => renderConfig(deps, request),
    async listRevisions(request) {
      const list = ["revisions", request.configId];
      const { id, pageSize, before } = checked({
        id: () => parseConfigId(request.configId),
        pageSize: () => parsePageSize(request.pageSize),
        before: () => decodePageToken(list, request.pageToken),
      });
      await existing(configs, id);
      const found = await configs.revisions(id, Number(before), pageSize + 1);
      const page = pageOf(found, pageSize, list, ({ number }) => String(number));
      return { revisions: page.items.map((each) => toRevision(each, false)), nextPageToken: page.nextPageToken };
    },
  };
}

type FreshHead = Omit<ConfigHead, "createdAtMs" | "updatedAtMs">;

async function create(
  { configs, nowMs }: ConfigDeps,
  fresh: FreshHead,
  requestId: string,
  validateOnly: boolean,
): Promise<StoredConfig> {
  const head = { ...fresh, createdAtMs: nowMs(), updatedAtMs: nowMs() };
  if (!validateOnly) return await configs.create(head, requestId);
  if ((await configs.get(head.id)) !== undefined) {
    const details = { config_id: head.id };
    throw new FleetError("already_exists", `A config "${head.id}" exists; choose another id.`, {
      details,
      reason: "CONFIG_EXISTS",
    });
  }
  return { config: { ...head, generation: 1, latestRevision: 0 }, stableRevision: 0, activeRollout: null };
}

/** Deletes what was read just now, unless the caller knows another generation. */
async function remove(
  { configs }: ConfigDeps,
  { configId, expectedGeneration, validateOnly, requestId }: DeleteConfigRequest,
): Promise<StoredConfig> {
  const { id, expected } = checked({
    id: () => parseConfigId(configId),
    expected: () => parseCount("expected_generation", expectedGeneration),
    requestId: () => parseRequestId(requestId),
  });
  const stored = await existing(configs, id);
  await configs.delete(id, expected === 0 ? stored.config.generation : expected, validateOnly);
  return stored;
}

type Change = Partial<Pick<ConfigHead, "selector" | "order" | "description" | "isFragment">>;

async function update(deps: ConfigDeps, request: UpdateConfigRequest): Promise<StoredConfig> {
  const { config } = request;
  const { id, change, expected, requestId } = checked({
    id: () => within("config", () => parseConfigId(config?.configId ?? "")),
    change: () => parseChange(request),
    expected: () => parseCount("expected_generation", request.expectedGeneration),
    requestId: () => parseRequestId(request.requestId),
  });
  for (let races = 0; ; races++) {
    const before = await existing(deps.configs, id);
    const generation = expected === 0 ? before.config.generation : expected;
    const head = { ...headOf(before), ...change, updatedAtMs: deps.nowMs() };
    if (request.validateOnly) return wouldBe(before, head, generation);
    try {
      return await deps.configs.update(head, generation, requestId);
    } catch (error) {
      const isRace = error instanceof FleetError && error.code === "conflict" && expected === 0;
      if (!isRace || races >= MAX_RACES) throw error;
    }
  }
}

function parseChange({ config, updateMask }: UpdateConfigRequest): Change {
  const mask = parseMask("update_mask", updateMask, CHANGEABLE);
  if ((updateMask?.paths ?? []).length === 0) {
    throw invalid("update_mask", `name what to change: any of ${CHANGEABLE.join(", ")}.`);
  }
  if (config === undefined) throw invalid("config", "is missing.");
  const { fragment, ...parsed } = within("config", () => {
    const parsers = changeParsers(config);
    const chosen = CHANGEABLE.filter((name) => mask === "all" || mask.has(name));
    return checked<Partial<typeof parsers>>(Object.fromEntries(chosen.map((name) => [name, parsers[name]])));
  });
  return { ...parsed, ...(fragment !== undefined && { isFragment: fragment }) };
}

function changeParsers(config: ProtoConfig) {
  return {
    selector: () => parseTarget(config.selector),
    order: () => parseOrder(config.order),
    description: () => parseText("description", config.description, MAX_DESCRIPTION_CHARS),
    fragment: () => config.fragment,
  };
}

function headOf({ config }: StoredConfig): ConfigHead {
  const { id, description, selector, order, isFragment, createdAtMs, updatedAtMs } = config;
  return { id, description, selector, order, isFragment, createdAtMs, updatedAtMs };
}

function wouldBe(before: StoredConfig, head: ConfigHead, expected: number): StoredConfig {
  if (before.config.generation !== expected) throw generationConflict(before.config, expected);
  return { ...before, config: { ...before.config, ...head, generation: expected + 1 } };
}
