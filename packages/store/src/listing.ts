// Lists of the agents of one partition: all in the order of the uids, or those whose rows an index holds. What an index
// holds is gathered where it is little; where it is much, the list of all is walked and the others are left out.

import type { GatewayId, InstanceUid, Selector } from "@muster/fleet";
import type { Redis } from "ioredis";
import type { ComponentsAt } from "./components.ts";
import { loadRows } from "./gen/scripts.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { countOf, hasRow, rowsIn } from "./labels.ts";
import { type Direction, isBeyond, type Range } from "./merge-ranges.ts";
import { findRows } from "./query.ts";
import { runBinary } from "./redis.ts";
import { UID_BYTES, uidAt, uidBytes } from "./uid-bytes.ts";

/** Agents that are walked with one command. */
const MAX_WALKED = 10_000;
/** What it costs to gather one agent, in agents that are walked. */
const GATHER_COST = 3;

/** Reads a partition's list beyond a uid: about so many of it. */
export type ReadRange = (after: string, count: number) => Promise<Range>;

/** The list of everybody whom a selector may match. */
export async function openList(
  fleet: Redis,
  p: Partition,
  selector: Selector,
  componentsAt: ComponentsAt,
  direction: Direction = "up",
): Promise<ReadRange> {
  const matching = selector.requirements.length === 0 ? null : await findRows(fleet, p, selector, componentsAt);
  if (matching === null) return (after, count) => walk(fleet, p, { after, count, direction });
  const { rows } = matching;
  const matched = countOf(rows);
  return async (after, count) => {
    const walked = Math.ceil((1.25 * count * 8 * rows.length) / matched);
    if (matched > 0 && walked < GATHER_COST * matched)
      return await walk(fleet, p, { after, count: Math.min(walked, MAX_WALKED), direction }, rows);
    const uids = await uidsOf(fleet, p, rowsIn(rows));
    return { uids: uids.filter((uid) => isBeyond(uid, after, direction)), upTo: null };
  };
}

/** Some of those that are connected at a gateway. */
export async function loadConnected(
  fleet: Redis,
  p: Partition,
  gateway: GatewayId,
  limit: number,
): Promise<readonly InstanceUid[]> {
  const has = (key: string, value: string) => ({ kind: "in", key, values: [value], negated: false }) as const;
  const selector = { text: "", requirements: [has("connected", "true"), has("gateway", gateway)] };
  const matching = await findRows(fleet, p, selector, async () => null);
  return matching === null ? [] : await uidsOf(fleet, p, rowsIn(matching.rows, limit));
}

async function walk(
  fleet: Redis,
  p: Partition,
  { after, count, direction }: { readonly after: string; readonly count: number; readonly direction: Direction },
  rows: Uint8Array | null = null,
): Promise<Range> {
  const key = fleetKeys.agents(p);
  // Beyond the uid, whatever its row is.
  const bytes = after === "" ? null : Buffer.concat([Buffer.from("("), uidBytes(after as InstanceUid)]); // a page token
  const members =
    direction === "up"
      ? await fleet.zrangebylexBuffer(
          key,
          bytes === null ? "-" : Buffer.concat([bytes, ROWS_END]),
          "+",
          "LIMIT",
          0,
          count,
        )
      : await fleet.zrevrangebylexBuffer(key, bytes ?? "+", "-", "LIMIT", 0, count);
  const found = rows === null ? members : members.filter((each) => hasRow(rows, each.readUIntBE(UID_BYTES, 3)));
  const last = members.at(-1);
  return {
    uids: found.map((each) => uidAt(each, 0)),
    upTo: members.length < count || last === undefined ? null : uidAt(last, 0),
  };
}

const ROWS_END = Buffer.of(0xff, 0xff, 0xff);

async function uidsOf(fleet: Redis, p: Partition, rows: readonly number[]): Promise<InstanceUid[]> {
  if (rows.length === 0) return [];
  const bytes = (await runBinary(fleet, loadRows, [fleetKeys.rows(p)], rows)) as Buffer; // the script's header
  return rows.map((_, i) => uidAt(bytes, i * UID_BYTES));
}
