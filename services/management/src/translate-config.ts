// Configs and revisions in the API's words: fleet ⇄ proto. Pure.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConfigFile, Finding, Revision } from "@muster/fleet";
import {
  type ConfigSchema,
  type FindingSchema,
  type ConfigFile as ProtoConfigFile,
  type RevisionSchema,
  Severity,
} from "@muster/protocol/muster/configs";
import type { StoredConfig } from "@muster/store";
import { invalid } from "./checked.ts";

const MAX_ORDER = 999;

/** A config with what rollouts made of it. */
export function toConfig({
  config,
  stableRevision,
  activeRollout,
}: StoredConfig): MessageInitShape<typeof ConfigSchema> {
  return {
    configId: config.id,
    selector: config.selector,
    order: config.order,
    description: config.description,
    generation: BigInt(config.generation),
    latestRevision: BigInt(config.latestRevision),
    stableRevision: BigInt(stableRevision),
    activeRolloutId: activeRollout ?? "",
    createTime: timestampFromMs(config.createdAtMs),
    updateTime: timestampFromMs(config.updatedAtMs),
    fragment: config.isFragment,
  };
}

/** A revision with its files; lists leave the bodies out. */
export function toRevision(revision: Revision, withBodies: boolean): MessageInitShape<typeof RevisionSchema> {
  const files = revision.files.map(({ name, contentType, body }) => ({
    name,
    contentType,
    ...(withBodies && { body: Uint8Array.from(body) }),
  }));
  return {
    configId: revision.configId,
    revision: BigInt(revision.number),
    hash: revision.hash,
    files,
    message: revision.message,
    createTime: timestampFromMs(revision.createdAtMs),
    author: revision.author,
    secretVersions: Object.fromEntries(revision.secrets.map(({ id, version }) => [id, BigInt(version)])),
    variables: revision.variables.map(({ key, isRequired }) => ({ key, required: isRequired })),
  };
}

const SEVERITIES = {
  warning: Severity.WARNING,
  error: Severity.ERROR,
} as const satisfies Record<Finding["severity"], Severity>;

/** What a check found. */
export function toFinding({ severity, ...rest }: Finding): MessageInitShape<typeof FindingSchema> {
  return { ...rest, severity: SEVERITIES[severity] };
}

/** The files of a request. */
export function fromFiles(files: readonly ProtoConfigFile[]): readonly ConfigFile[] {
  return files.map(({ name, contentType, body }) => ({ name, contentType, body }));
}

/** A merge position. @throws FleetError `invalid` */
export function parseOrder(order: number): number {
  if (order >= 0 && order <= MAX_ORDER) return order;
  throw invalid("order", `${order} is not from 0 to ${MAX_ORDER}.`);
}
