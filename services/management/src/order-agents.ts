// The order of ListAgents. By instance uid, either way, lists of any size are walked. By anything else, all that the selector
// matches are loaded and sorted for each page, so it must match few; the token says after which value and uid to go on, which
// survives agents that come, go and change in between.

import { FleetError, type Selectable, type Selector, updatedAtMs } from "@muster/fleet";
import type { Agents, Direction, Tally, VersionedView } from "@muster/store";
import { invalid } from "./checked.ts";
import { decodeToken } from "./paging.ts";
import type { RecordDeps } from "./records.ts";
import { selectAll } from "./select-all.ts";

/** How a list is ordered. */
export interface Order {
  /** null: by instance uid. */
  readonly key: string | null;
  readonly direction: Direction;
}

/** What an agent is sorted by: a time or a text; null when it has none. */
type SortValue = string | number | null;
/** A place in a sorted list: the one after which to go on. */
export type Place = readonly [value: SortValue, uid: string];

const MAX_KEY_CHARS = 256;

const DIRECTIONS: ReadonlyMap<string, Direction> = new Map([
  ["asc", "up"],
  ["desc", "down"],
]);

/** @throws FleetError `invalid` */
export function parseOrderBy(orderBy: string): Order {
  const [key = "", word = "asc", ...more] = orderBy.trim().split(/\s+/);
  const direction = DIRECTIONS.get(word);
  if (direction === undefined || more.length > 0 || key.includes(",") || key.length > MAX_KEY_CHARS) {
    const examples = '"instance_uid desc", "host.name", "update_time desc"';
    throw invalid("order_by", `"${orderBy}" is no order; name one key, and desc for the other way round: ${examples}.`);
  }
  return { key: key === "" || key === "instance_uid" ? null : key, direction };
}

/** Where a list goes on; of one by uid, only the uid counts. @throws FleetError `invalid` */
export function parsePlace(list: readonly string[], token: string): Place | null {
  const place = decodeToken("page_token", list, token);
  if (place === undefined) return null;
  const [value, uid] = Array.isArray(place) ? place : [];
  const isValue = value === null || typeof value === "string" || typeof value === "number";
  if (isValue && typeof uid === "string") return [value, uid];
  throw invalid("page_token", "is not a token of this server; start without one.");
}

/** An agent, and where it is in the list. */
export interface Placed extends VersionedView {
  readonly place: Place;
}

/** A page of a list. */
export interface Page {
  readonly found: readonly Placed[];
  /** Where to go on; null at the end of the list. */
  readonly next: Place | null;
}

/** What is asked of a list that is sorted by a key. */
interface SortedRange {
  readonly key: string;
  readonly direction: Direction;
  readonly after: Place | null;
  readonly pageSize: number;
}

/** What ordering reads. */
export interface OrderDeps extends RecordDeps {
  readonly agents: RecordDeps["agents"] & Pick<Agents, "selectable"> & { readonly tally: Tally };
}

/** A page of a list that is sorted by a key. @throws FleetError `failed_precondition` when the selector matches too many */
export async function sortedPage(
  deps: OrderDeps,
  selector: Selector,
  { key, direction, after, pageSize }: SortedRange,
  signal: AbortSignal,
): Promise<Page> {
  const all = await selectSorted(deps, selector, signal);
  const seen = await deps.agents.selectable(all);
  const placed = all.map((found, i): Placed => {
    return { ...found, place: [sortValue(found, seen[i] ?? new Map(), key), found.view.uid] };
  });
  const rest = after === null ? placed : placed.filter(({ place }) => compare(place, after, direction) > 0);
  const found = rest.sort((a, b) => compare(a.place, b.place, direction)).slice(0, pageSize);
  return { found, next: rest.length > found.length ? (found.at(-1)?.place ?? null) : null };
}

async function selectSorted(
  deps: OrderDeps,
  selector: Selector,
  signal: AbortSignal,
): Promise<readonly VersionedView[]> {
  try {
    return await selectAll(deps, selector, "sorted", signal);
  } catch (error) {
    if (!(error instanceof FleetError) || error.reason !== "TOO_MANY_AGENTS") throw error;
    const { code, reason, details, message } = error;
    throw new FleetError(code, `${message} Or order by instance_uid, which any number can be.`, { reason, details });
  }
}

function sortValue({ view }: VersionedView, seen: Selectable, key: string): SortValue {
  if (key === "first_seen_time") return view.firstSeenAtMs;
  if (key === "update_time") return updatedAtMs(view);
  const value = seen.get(key);
  // Of several values, the first.
  return typeof value === "string" ? value : (value?.toSorted()[0] ?? null);
}

/** Agents without a value come last either way; of those with the same, the lower uid comes first. */
function compare([a, uid]: Place, [b, other]: Place, direction: Direction): number {
  if (a === b) return uid < other ? -1 : uid > other ? 1 : 0;
  if (a === null || b === null) return a === null ? 1 : -1;
  return a < b === (direction === "up") ? -1 : 1;
}
