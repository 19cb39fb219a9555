// What an agent takes, in few bytes: a million records may have it. Of a facet that is as gateways write it there is but the time
// and three whole numbers, some 20 bytes. Pure; called by agent-record.ts.

import type { AgentView } from "@muster/fleet";

type UsageFacet = AgentView["ownUsage"];
/** When, hundredths of a percent, thousandths of a core, bytes. */
type Short = readonly [atMs: number, share: number | null, cores: number | null, bytes: number | null];

/** The facet as it is packed. */
export function packUsage(facet: UsageFacet): Short | UsageFacet {
  if (facet === null) return null;
  const { atMs, value } = facet;
  const short: Short = [atMs, scaled(value.cpuPercent, 100), scaled(value.cpuCores, 1_000), value.memoryBytes];
  // Whatever else somebody made of it is kept as it is.
  return isSame(facet, unpackUsage(short)) ? short : facet;
}

/** Reads what `packUsage` answered. */
export function unpackUsage(packed: Short | UsageFacet): UsageFacet {
  if (!isShort(packed)) return packed;
  const [atMs, share, cores, memoryBytes] = packed;
  const value = { cpuPercent: unscaled(share, 100), cpuCores: unscaled(cores, 1_000), memoryBytes };
  return { epoch: 0, n: atMs, atMs, value };
}

function isShort(packed: Short | UsageFacet): packed is Short {
  return Array.isArray(packed);
}

function scaled(value: number | null, by: number): number | null {
  return value === null ? null : Math.round(value * by);
}

function unscaled(value: number | null, by: number): number | null {
  return value === null ? null : value / by;
}

function isSame(a: NonNullable<UsageFacet>, b: UsageFacet): boolean {
  if (b === null || a.epoch !== b.epoch || a.n !== b.n || a.atMs !== b.atMs) return false;
  const { cpuPercent, cpuCores, memoryBytes } = b.value;
  return a.value.cpuPercent === cpuPercent && a.value.cpuCores === cpuCores && a.value.memoryBytes === memoryBytes;
}
