// A request's body while it is gathered, within its own limit and within what all bodies together may take (R17). Pure but
// for zlib. Called by socket.ts.

import { promisify } from "node:util";
import { gunzip } from "node:zlib";

/** Bodies up to this are not counted: as many large ones as there may be must not keep heartbeats out. */
const FREE_BYTES = 64 * 1024;

/** What all larger bodies that are being gathered may take together. */
export interface BodyBudget {
  /** Takes so many bytes; false when they are not left. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** One body. */
export interface Body {
  /** Copies a chunk. */
  add(chunk: Uint8Array): "ok" | "too-large" | "overloaded";
  bytes(): Uint8Array;
  /** Gives back what it took of the budget; harmless twice. */
  release(): void;
}

/** A body that is over the limit once inflated. */
export class BodyTooLarge extends Error {}
/** More bodies wait to be inflated than may. */
export class BodiesWaiting extends Error {}

const gunzipAsync = promisify(gunzip);

export function createBodyBudget(maxBytes: number): BodyBudget {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > maxBytes) return false;
      taken += bytes;
      return true;
    },
    give(bytes) {
      taken -= bytes;
    },
  };
}

export function createBody(maxBytes: number, budget: BodyBudget): Body {
  let gathered = Buffer.alloc(0);
  let sizeBytes = 0;
  let takenBytes = 0;
  let isReleased = false;
  return {
    add(chunk) {
      const neededBytes = sizeBytes + chunk.byteLength;
      if (neededBytes > maxBytes) return "too-large";
      // One buffer that doubles: a body of a million tiny chunks must not cost a million objects.
      if (neededBytes > gathered.byteLength) {
        const roomBytes = Math.min(maxBytes, Math.max(neededBytes, 2 * gathered.byteLength));
        const countedBytes = Math.max(0, roomBytes - FREE_BYTES) - takenBytes;
        if (isReleased || !budget.take(countedBytes)) return "overloaded";
        takenBytes += countedBytes;
        const larger = Buffer.allocUnsafe(roomBytes);
        gathered.copy(larger, 0, 0, sizeBytes);
        gathered = larger;
      }
      gathered.set(chunk, sizeBytes);
      sizeBytes = neededBytes;
      return "ok";
    },
    bytes: () => gathered.subarray(0, sizeBytes),
    release() {
      if (isReleased) return;
      isReleased = true;
      budget.give(takenBytes);
    },
  };
}

/** Inflates gzip. @throws BodyTooLarge, BodiesWaiting, or whatever zlib says of bytes that are no gzip */
export type Inflate = (body: Uint8Array, maxBytes: number) => Promise<Uint8Array>;

/** Inflates so many bodies at once and has so many wait: small ones may all become as large as may be. */
export function createInflate(atOnce: number, maxWaiting: number): Inflate {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (body, maxBytes) => {
    if (running >= atOnce) {
      if (waiting.length >= maxWaiting) throw new BodiesWaiting("too many bodies wait to be inflated");
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    running += 1;
    try {
      return await gunzipAsync(body, { maxOutputLength: maxBytes });
    } catch (error) {
      if (error instanceof RangeError) throw new BodyTooLarge(`more than ${maxBytes} bytes once inflated`);
      throw error;
    } finally {
      running -= 1;
      // What was inflated is taken in first, and its memory let go.
      setImmediate(() => waiting.shift()?.());
    }
  };
}
