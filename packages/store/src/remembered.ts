// Views that are likely to be asked for again. There are two ways in. Whoever reads a fleet page by page mostly reads it again
// soon: what it reads is remembered while there is room (`fill`). Otherwise, and for those who fold events (`set`), a view is
// remembered when its agent comes by a second time within some ten thousands of others: in a fleet larger than the memory most
// are never asked for again before they are forgotten, and what is kept for nothing costs the collector more than reading it
// anew. As the doorkeeper of TinyLFU (Einziger, Friedman, Manes: "TinyLFU:
// A Highly Efficient Cache Admission Policy", 2017), with one slot for all agents that share it: the last one counts.

import { crc32 } from "node:zlib";
import type { InstanceUid } from "@muster/fleet";
import { LRUCache } from "lru-cache";
import type { StampedView } from "./agent-record.ts";

/** Views by uid. */
export interface Remembered {
  get(uid: InstanceUid): StampedView | undefined;
  /** Remembers a view, if its agent came by lately. */
  set(uid: InstanceUid, view: StampedView): void;
  /** As `set`, but while there is room also a view whose agent did not come by lately: for those who read many. */
  fill(uid: InstanceUid, view: StampedView): void;
  delete(uid: InstanceUid): void;
}

/** Views that are remembered: what is read again and again, as by passes over a rollout, costs little. */
const MAX_VIEWS = 20_000;
/** Agents that came by, four bytes each. */
const SLOTS = 1 << 15;

/** @param maxBytes of all views as they are packed; in memory a view takes five to ten times that */
export function createRemembered(maxBytes: number): Remembered {
  const views = new LRUCache<InstanceUid, StampedView>({ max: MAX_VIEWS, maxSize: maxBytes });
  const lately = new Uint32Array(SLOTS);
  const sizeOf = ({ packed }: StampedView): number => Math.max(1, packed.bytes.length);
  const keep = (uid: InstanceUid, view: StampedView): void => {
    views.set(uid, owned(view), { size: sizeOf(view) });
  };
  const set: Remembered["set"] = (uid, view) => {
    const print = crc32(uid);
    const slot = print % SLOTS;
    if (lately[slot] === print) keep(uid, view);
    else lately[slot] = print;
  };
  return {
    get: (uid) => views.get(uid),
    delete: (uid) => void views.delete(uid),
    set,
    fill(uid, view) {
      views.delete(uid); // an older one of the same agent makes room for it
      const hasRoom = views.size < MAX_VIEWS && views.calculatedSize + sizeOf(view) <= maxBytes;
      (hasRoom ? keep : set)(uid, view);
    },
  };
}

/** What is packed may be a piece of a whole reply of Redis, which must not stay for as long as it does. */
function owned(view: StampedView): StampedView {
  const { bytes, ends } = view.packed;
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return { ...view, packed: { bytes: own, ends } };
}
