// Configs and revisions as people read them. Pure.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Config, Revision } from "@muster/protocol/muster/configs";
import { formatPairs, formatTable } from "./table.ts";
import { formatAge, oneLine, shortHash } from "./text.ts";

const HEAD = ["CONFIG", "SELECTOR", "ORDER", "LATEST", "STABLE", "ROLLOUT", "CHANGED", "DESCRIPTION"];

/** A table of configs. */
export function formatConfigs(configs: readonly Config[], nowMs: number): string {
  const rows = configs.map((config) => [
    config.configId,
    config.selector || "(every agent)",
    String(config.order),
    revisionText(config.latestRevision),
    revisionText(config.stableRevision),
    config.activeRolloutId || "-",
    formatAge(config.updateTime === undefined ? null : timestampMs(config.updateTime), nowMs),
    oneLine(config.description, 40),
  ]);
  return formatTable(HEAD, rows);
}

/** A config, and one of its revisions with its files. */
export function formatConfig(config: Config, revision: Revision | null, nowMs: number): string {
  const about = formatPairs([
    ["config", config.configId],
    ["for", config.selector || "every agent"],
    ["order", String(config.order)],
    ["description", config.description || "-"],
    ["kind", config.fragment ? "fragment" : "complete"],
    ["generation", String(config.generation)],
    ["latest revision", revisionText(config.latestRevision)],
    ["stable revision", revisionText(config.stableRevision)],
    ["rollout at work", config.activeRolloutId || "-"],
  ]);
  return revision === null ? about : `${about}\n${formatRevision(revision, nowMs)}`;
}

function formatRevision(revision: Revision, nowMs: number): string {
  const age = formatAge(revision.createTime === undefined ? null : timestampMs(revision.createTime), nowMs);
  const message = revision.message === "" ? "" : `: ${oneLine(revision.message, 200)}`;
  const files = revision.files.map(
    ({ name, contentType, body }) => `--- ${name} (${contentType})\n${Buffer.from(body).toString().trimEnd()}\n`,
  );
  return `revision ${revision.revision} (${shortHash(revision.hash)}), published ${age}${revision.author === "" ? "" : ` by ${revision.author}`}${message}\n${files.join("")}`;
}

/** Revisions count from 1. */
function revisionText(revision: bigint): string {
  return revision === 0n ? "-" : String(revision);
}
