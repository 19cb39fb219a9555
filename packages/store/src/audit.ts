// Who changed what: control state, written ahead. An entry is kept before the change is tried and completed after it, so that
// a change without an entry cannot be; a process that dies between leaves an entry that says so. Sealed, since what was changed
// may name what nobody should read on a disk.

import type { Redis } from "ioredis";
import { recordAudit } from "./gen/scripts.ts";
import { controlKeys } from "./keys.ts";
import { run } from "./redis.ts";
import { createSeal } from "./seal.ts";

/** One change, or the attempt at one. */
export interface AuditEntry {
  /** Sorts by time. */
  readonly id: string;
  readonly atMs: number;
  /** Who, by their own word; "" when nobody said. */
  readonly user: string;
  /** The network address that the call came from. */
  readonly peer: string;
  /** The id of the call, as logs have it. */
  readonly callId: string;
  /** What makes a repeat harmless; "" when the caller gave none. */
  readonly requestId: string;
  /** `ConfigService/UpdateConfig`. */
  readonly method: string;
  /** What was changed: `config/demo`. */
  readonly resource: string;
  /** JSON of what was asked, of the resource before and after, without secrets; "" for nothing. */
  readonly request: string;
  readonly before: string;
  readonly after: string;
  /** "unknown": it is at work, or the process died while it was. */
  readonly outcome: "unknown" | "done" | "failed";
  /** Why it failed; "" when it did not. */
  readonly error: string;
}

/** The newest changes. */
export interface Audit {
  /** Keeps an entry, on disk with the change that follows on the same connection. */
  begin(entry: AuditEntry): Promise<void>;
  /** Completes an entry; one that was forgotten since stays so. */
  finish(entry: AuditEntry): Promise<void>;
  /** Forgets an entry: the change was refused, and nothing happened. */
  drop(id: string): Promise<void>;
  /** Newest first, those before an id; "": from the newest on. */
  list(before: string, limit: number): Promise<readonly AuditEntry[]>;
}

/** Entries that are kept; the oldest go first. */
export const MAX_AUDIT_ENTRIES = 100_000;

/** @param secret the installation's 32-byte key */
export function createAudit(control: Redis, secret: Uint8Array, maxEntries = MAX_AUDIT_ENTRIES): Audit {
  const seal = createSeal(secret, "audit seal");
  const keys = [controlKeys.audit, controlKeys.auditIds];
  const write = async (entry: AuditEntry, mustBeThere: boolean): Promise<void> => {
    const sealed = seal.close(Buffer.from(JSON.stringify(entry)));
    await run(control, recordAudit, keys, [entry.id, sealed, maxEntries, mustBeThere ? 1 : 0]);
  };
  return {
    begin: (entry) => write(entry, false),
    finish: (entry) => write(entry, true),
    async drop(id) {
      await control.multi().hdel(controlKeys.audit, id).zrem(controlKeys.auditIds, id).exec();
    },
    async list(before, limit) {
      const from = before === "" ? "+" : `(${before}`;
      const ids = await control.zrevrangebylex(controlKeys.auditIds, from, "-", "LIMIT", 0, limit);
      if (ids.length === 0) return [];
      const sealed = await control.hmgetBuffer(controlKeys.audit, ...ids);
      // Written above; null: forgotten between the two reads.
      return sealed.flatMap((each) => (each === null ? [] : [JSON.parse(seal.open(each).toString()) as AuditEntry]));
    },
  };
}
