// WatchAgents: every matching agent once, then each change, newest state only. Where the caller reads slowly, changes
// gather as a set of uids and their records are loaded only when there is room to send them.
//
// Invariants
//   W1. The subscription is taken before the snapshot is read: what changes meanwhile is sent again, never missed.
//   W2. A bookmark follows everything that it covers.
//   W3. `removed` is sent once, and only for an agent that the caller may have been shown.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { FleetError, type InstanceUid, parseSelector, type Selector } from "@muster/fleet";
import type { WatchAgentsRequest, WatchAgentsResponseSchema } from "@muster/protocol/muster/agents";
import type { Changes, Position } from "@muster/store";
import { checked, invalid } from "./checked.ts";
import { type ChangeFeed, changedBetween, type Subscription } from "./feed.ts";
import { decodeToken, encodeToken } from "./paging.ts";
import { loadSelected, type RecordDeps, toAgents, withGroups } from "./records.ts";

/** What a watch needs. */
export interface WatchDeps extends RecordDeps {
  readonly changes: Pick<Changes, "isKept" | "follow">;
  readonly feed: ChangeFeed;
  readonly nowMs: () => number;
}

type Response = MessageInitShape<typeof WatchAgentsResponseSchema>;

/** Records that are loaded together. */
const BATCH = 500;
/** A quiet watch is bookmarked this often. */
const QUIET_BOOKMARK_MS = 30_000;
/** A busy one this often, so that little is sent again after a resume. */
const BUSY_BOOKMARK_MS = 2_000;

/** One watch, from its request to the end of the signal. @throws FleetError `invalid`, `out_of_range` */
export async function* watchAgents(
  deps: WatchDeps,
  request: WatchAgentsRequest,
  signal: AbortSignal,
): AsyncGenerator<Response> {
  const list = ["watch-agents", request.selector];
  const { from, ...asked } = checked({
    selector: () => parseSelector(request.selector),
    from: () => parseResumeToken(list, request.resumeToken),
  });
  const selector = await withGroups(deps.groups, asked.selector);
  // What groups ask for may be another by the time somebody resumes.
  const read = selector === asked.selector ? "" : selector.text;
  if (from !== null && from.read !== read) throw startAfresh("A group that the selector names has changed");
  const subscription = deps.feed.subscribe(); // W1
  try {
    const { position } = subscription;
    const bookmark = (at: Position): Response => ({
      event: {
        case: "bookmark",
        value: { resumeToken: encodeToken(list, [...at, ...(read === "" ? [] : [{ read }])]) },
      },
    });
    const look = createLook(deps, selector, from !== null);
    if (from === null) yield* snapshot(deps, selector, look, signal);
    else yield* look(await missedSince(deps.changes, from.at, position, signal));
    yield bookmark(position);
    yield* follow(deps, subscription, look, bookmark, signal);
  } finally {
    subscription.close();
  }
}

/** Sends what became of these agents. */
type Look = (uids: Iterable<InstanceUid>) => AsyncGenerator<Response>;

async function* snapshot(deps: WatchDeps, selector: Selector, look: Look, signal: AbortSignal) {
  for (let after = ""; !signal.aborted; ) {
    const uids = await deps.agents.page(after, BATCH, selector);
    yield* look(uids);
    if (uids.length < BATCH) return;
    after = uids.at(-1) ?? "";
  }
}

async function* follow(
  { nowMs }: WatchDeps,
  subscription: Subscription,
  look: Look,
  bookmark: (at: Position) => Response,
  signal: AbortSignal,
): AsyncGenerator<Response> {
  let markedAtMs = nowMs();
  let isMarked = true;
  while (!signal.aborted) {
    const dueMs = markedAtMs + (isMarked ? QUIET_BOOKMARK_MS : BUSY_BOOKMARK_MS) - nowMs();
    if (dueMs > 0) await subscription.wait(dueMs, signal);
    const { uids, position, hasGap } = subscription.take();
    if (hasGap) throw startAfresh("Changes were lost with Redis, or while it was away");
    for await (const response of look(uids)) {
      isMarked = false;
      yield response;
    }
    if (nowMs() - markedAtMs < (isMarked ? QUIET_BOOKMARK_MS : BUSY_BOOKMARK_MS)) continue;
    yield bookmark(position); // W2
    markedAtMs = nowMs();
    isMarked = true;
  }
}

/** Remembers what the caller was shown. After a resume it may have been shown anything before. */
function createLook(deps: WatchDeps, selector: Selector, isResumed: boolean): Look {
  const shown = new Map<InstanceUid, boolean>();
  return async function* look(uids) {
    const waiting = [...uids];
    for (let i = 0; i < waiting.length; i += BATCH) {
      const batch = waiting.slice(i, i + BATCH);
      const selected = await loadSelected(deps, selector, batch);
      for (const agent of await toAgents(deps, selected)) yield { event: { case: "agent", value: agent } };
      const present = new Set(selected.map(({ view }) => view.uid));
      for (const uid of present) shown.set(uid, true);
      for (const uid of batch) {
        if (present.has(uid) || !(shown.get(uid) ?? isResumed)) continue;
        shown.set(uid, false); // W3
        yield { event: { case: "removed", value: uid } };
      }
    }
  };
}

async function missedSince(
  changes: WatchDeps["changes"],
  from: Position,
  to: Position,
  signal: AbortSignal,
): Promise<ReadonlySet<InstanceUid>> {
  const missed = (await changes.isKept(from)) ? await changedBetween(changes, from, to, signal) : undefined;
  if (missed !== undefined) return missed;
  throw startAfresh("The changes since this resume token are no longer kept");
}

function startAfresh(why: string): FleetError {
  return new FleetError("out_of_range", `${why}; watch again without a resume token.`, {
    reason: "RESUME_TOKEN_EXPIRED",
  });
}

/** Where a watch resumes, and what its selector was read as where it names groups. */
interface Resumed {
  readonly at: Position;
  readonly read: string;
}

function parseResumeToken(list: readonly string[], token: string): Resumed | null {
  const place = decodeToken("resume_token", list, token);
  if (place === undefined) return null;
  const parts: readonly unknown[] = Array.isArray(place) ? place : [null];
  const at = parts.filter((part) => typeof part === "string");
  const [read = "", ...more] = parts.filter((part) => typeof part !== "string").map(readIn);
  const isPosition = Array.isArray(place) && at.every((id) => /^\d{1,20}-\d{1,20}$/.test(id));
  if (isPosition && read !== null && more.length === 0) return { at, read };
  throw invalid("resume_token", "is not a token of this server; start without one.");
}

function readIn(part: unknown): string | null {
  const isRead = typeof part === "object" && part !== null && "read" in part && typeof part.read === "string";
  return isRead ? (part.read as string) : null; // looked at in the line before
}
