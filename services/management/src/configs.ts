// ConfigService: writes and reads configs and their revisions. Reaches no agent; that takes a rollout.

import {
  assessFiles,
  type ConfigFile,
  type ConfigId,
  canonicalFiles,
  DEFAULT_ORDER,
  FleetError,
  hashFiles,
  parseConfigId,
  parseTargetSelector,
  type Revision,
} from "@muster/fleet";
import type {
  ConfigService,
  Config as ProtoConfig,
  PublishRevisionRequest,
  UpdateConfigRequest,
} from "@muster/protocol/muster/configs";
import { type ConfigHead, type Configs, configNotFound, generationConflict, type StoredConfig } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { checked, invalid, parseCount, parseRequestId, parseText, within } from "./checked.ts";
import { parseMask } from "./mask.ts";
import { decodePageToken, pageOf, parsePageSize } from "./paging.ts";
import { fromFiles, parseOrder, toConfig, toRevision } from "./translate-config.ts";

/** What this service writes and reads. */
export interface ConfigDeps {
  readonly configs: Configs;
  readonly nowMs: () => number;
}

const MAX_DESCRIPTION_CHARS = 1_000;
const CHANGEABLE = ["selector", "order", "description"] as const;
/** Times an update without `expected_generation` is tried again when somebody else was faster. */
const MAX_RACES = 10;

/** The methods of ConfigService. */
export function createConfigService(deps: ConfigDeps): MethodsOf<typeof ConfigService> {
  const { configs } = deps;
  return {
    async createConfig(request) {
      const { requestId, ...head } = checked({
        id: () => parseConfigId(request.configId),
        selector: () => parseTargetSelector(request.selector).text,
        order: () => parseOrder(request.order ?? DEFAULT_ORDER),
        description: () => parseText("description", request.description, MAX_DESCRIPTION_CHARS),
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
    publishRevision: async (request) => ({ revision: toRevision(await publish(deps, request), true) }),
    async getRevision(request) {
      const { id, number } = checked({
        id: () => parseConfigId(request.configId),
        number: () => parseCount("revision", request.revision),
      });
      const revision = await configs.revision(id, number);
      if (revision === undefined) throw revisionNotFound(await existing(configs, id), number);
      return { revision: toRevision(revision, true) };
    },
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

/** A config that must exist. @throws FleetError `not_found` */
export async function existing(configs: Pick<Configs, "get">, id: ConfigId): Promise<StoredConfig> {
  const stored = await configs.get(id);
  if (stored === undefined) throw configNotFound(id);
  return stored;
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

type Change = Partial<Pick<ConfigHead, (typeof CHANGEABLE)[number]>>;

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
  const parsers = changeParsers(config);
  const chosen = CHANGEABLE.filter((name) => mask === "all" || mask.has(name));
  return within("config", () => checked(Object.fromEntries(chosen.map((name) => [name, parsers[name]]))));
}

function changeParsers(config: ProtoConfig) {
  return {
    selector: () => parseTargetSelector(config.selector).text,
    order: () => parseOrder(config.order),
    description: () => parseText("description", config.description, MAX_DESCRIPTION_CHARS),
  };
}

function headOf({ config }: StoredConfig): ConfigHead {
  const { id, description, selector, order, createdAtMs, updatedAtMs } = config;
  return { id, description, selector, order, createdAtMs, updatedAtMs };
}

function wouldBe(before: StoredConfig, head: ConfigHead, expected: number): StoredConfig {
  if (before.config.generation !== expected) throw generationConflict(before.config, expected);
  return { ...before, config: { ...before.config, ...head, generation: expected + 1 } };
}

async function publish({ configs, nowMs }: ConfigDeps, request: PublishRevisionRequest): Promise<Revision> {
  const { id, files, message, requestId } = checked({
    id: () => parseConfigId(request.configId),
    files: () => parseFiles(fromFiles(request.files)),
    message: () => parseText("message", request.message, MAX_DESCRIPTION_CHARS),
    requestId: () => parseRequestId(request.requestId),
  });
  const revision = { configId: id, hash: hashFiles(files), files, message, createdAtMs: nowMs() };
  if (!request.validateOnly) return await configs.publish(revision, requestId);
  const { config } = await existing(configs, id);
  const latest = await configs.revision(id, 0);
  return latest?.hash === revision.hash ? latest : { ...revision, number: config.latestRevision + 1 };
}

function parseFiles(files: readonly ConfigFile[]): readonly ConfigFile[] {
  const violations = assessFiles(files);
  if (violations.length > 0) throw FleetError.invalid(violations);
  return canonicalFiles(files);
}

function revisionNotFound({ config }: StoredConfig, number: number): FleetError {
  const { id, latestRevision } = config;
  const remedy = latestRevision === 0 ? "it has none yet, publish one" : `its latest is ${latestRevision}`;
  const what = number === 0 ? "no revision" : `no revision ${number}`;
  const details = { config_id: id, revision: String(number), latest_revision: String(latestRevision) };
  return new FleetError("not_found", `Config "${id}" has ${what}; ${remedy}.`, {
    reason: "REVISION_NOT_FOUND",
    details,
  });
}
