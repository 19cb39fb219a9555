// Whether an agent shows what it should run, as people read it. Pure.

import { type Agent, type ConfigDifference, DifferenceKind, DriftState } from "@muster/protocol/muster/agents";
import { formatTable } from "./table.ts";
import { counted, oneLine, shortHash, wordOf } from "./text.ts";

const KIND_WORDS = {
  [DifferenceKind.UNSPECIFIED]: "?",
  [DifferenceKind.MISSING]: "missing",
  [DifferenceKind.DIFFERENT]: "different",
  [DifferenceKind.EXTRA]: "extra",
} as const satisfies Record<DifferenceKind, string>;

/** One word or two for the page of an agent. */
export function driftWord({ configDrift }: Agent): string {
  if (configDrift === undefined || configDrift.state === DriftState.UNSPECIFIED) return "nobody can tell";
  return configDrift.state === DriftState.DRIFTED ? "drifted" : "shows what it should run";
}

/** All differences. */
export function formatDrift(agent: Agent): string {
  const { instanceUid, configDrift: drift } = agent;
  if (drift === undefined) {
    return `Nobody can tell whether agent ${instanceUid} drifted: it has no config to show, is at work on one, failed it, or shows none that is YAML.\n`;
  }
  const head = `Agent ${instanceUid} ${drift.state === DriftState.DRIFTED ? "drifted from" : "shows all of"} ${shortHash(drift.hash)}`;
  if (drift.differences.length === 0) return `${head}.\n`;
  const rows = drift.differences.map(differenceCells);
  const more = Number(drift.differenceCount) - rows.length;
  const table = formatTable(["PATH", "IS", "OFFERED", "EFFECTIVE"], rows);
  return `${head}: ${counted(drift.differenceCount, "difference")}\n${table}${more > 0 ? `and ${more} more\n` : ""}`;
}

function differenceCells({ path, kind, offered, effective }: ConfigDifference): readonly string[] {
  return [oneLine(path, 100), wordOf(KIND_WORDS, kind), oneLine(offered, 40) || "-", oneLine(effective, 40) || "-"];
}
