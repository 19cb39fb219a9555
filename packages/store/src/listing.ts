// Lists of the agents of one partition: all in the order of the uids, or those whose rows an index holds. What an index
// holds is gathered where it is little; where it is much, the list of all is walked and the others are left out.

import type { GatewayId, InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { loadLabels, loadRows } from "./gen/scripts.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { bitmapIn, type Candidates, countOf, gatewayLabel, hasRow, intersection, rowsIn, union } from "./labels.ts";
import type { Range } from "./merge-ranges.ts";
import { runBinary } from "./redis.ts";
import { UID_BYTES, uidAt, uidBytes } from "./uid-bytes.ts";

/** Agents that are walked with one command. */
const MAX_WALKED = 10_000;
/** What it costs to gather one agent, in agents that are walked. */
const GATHER_COST = 3;

/** Reads a partition's list above a uid: about so many of it. */
export type ReadRange = (after: string, count: number) => Promise<Range>;

/** The list of everybody, or of those an index holds. */
export async function openList(fleet: Redis, p: Partition, candidates?: Candidates): Promise<ReadRange> {
  if (candidates === undefined) return (after, count) => walk(fleet, p, after, count);
  const rows = await loadMatching(fleet, p, candidates);
  const matching = countOf(rows);
  return async (after, count) => {
    const walked = Math.ceil((1.25 * count * 8 * rows.length) / matching);
    if (matching > 0 && walked < GATHER_COST * matching)
      return await walk(fleet, p, after, Math.min(walked, MAX_WALKED), rows);
    const uids = await uidsOf(fleet, p, rowsIn(rows));
    return { uids: uids.filter((uid) => uid > after), upTo: null };
  };
}

/** Some of those that are connected at a gateway. */
export async function loadConnected(
  fleet: Redis,
  p: Partition,
  gateway: GatewayId,
  limit: number,
): Promise<readonly InstanceUid[]> {
  const rows = await loadMatching(fleet, p, [[gatewayLabel(gateway)]]);
  return await uidsOf(fleet, p, rowsIn(rows, limit));
}

async function walk(
  fleet: Redis,
  p: Partition,
  after: string,
  count: number,
  rows: Uint8Array | null = null,
): Promise<Range> {
  // Above the uid, whatever its row is.
  const above = after === "" ? "-" : Buffer.concat([Buffer.from("("), uidBytes(after as InstanceUid), ROWS_END]); // a page token
  const members = await fleet.zrangebylexBuffer(fleetKeys.agents(p), above, "+", "LIMIT", 0, count);
  const found = rows === null ? members : members.filter((each) => hasRow(rows, each.readUIntBE(UID_BYTES, 3)));
  const last = members.at(-1);
  return {
    uids: found.map((each) => uidAt(each, 0)),
    upTo: members.length < count || last === undefined ? null : uidAt(last, 0),
  };
}

const ROWS_END = Buffer.of(0xff, 0xff, 0xff);

async function loadMatching(fleet: Redis, p: Partition, candidates: Candidates): Promise<Uint8Array> {
  const labels = [...new Set(candidates.flat())];
  const replies = await runBinary(fleet, loadLabels, [fleetKeys.labels(p), fleetKeys.rows(p)], labels);
  const bitmaps = (replies as readonly Buffer[]).map(bitmapIn); // the script's header
  const found = new Map(labels.map((label, i) => [label, bitmaps[i] ?? NOBODY]));
  return intersection(candidates.map((group) => union(group.map((label) => found.get(label) ?? NOBODY))));
}

const NOBODY = new Uint8Array();

async function uidsOf(fleet: Redis, p: Partition, rows: readonly number[]): Promise<InstanceUid[]> {
  if (rows.length === 0) return [];
  const bytes = (await runBinary(fleet, loadRows, [fleetKeys.rows(p)], rows)) as Buffer; // the script's header
  return rows.map((_, i) => uidAt(bytes, i * UID_BYTES));
}
