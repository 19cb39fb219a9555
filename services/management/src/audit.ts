// AuditService: reads who changed what. Nothing here writes it; recorded.ts does.

import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type AuditEntrySchema, AuditOutcome, type AuditService } from "@muster/protocol/muster/audit";
import type { Audit, AuditEntry } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { checked, parseText } from "./checked.ts";
import { decodePageToken, encodeToken, parsePageSize } from "./paging.ts";

/** What this service reads. */
export interface AuditDeps {
  readonly audit: Pick<Audit, "list">;
}

/** Entries that one call looks at; what it found by then is answered, with a token to go on. */
const SCAN_BUDGET = 10_000;
const BATCH = 500;
const MAX_FILTER_CHARS = 256;

/** The methods of AuditService. */
export function createAuditService({ audit }: AuditDeps): MethodsOf<typeof AuditService> {
  return {
    async listAuditEntries(request, { signal }) {
      const { resource, user, method, startTime, endTime } = request;
      const fromMs = startTime === undefined ? 0 : timestampMs(startTime);
      const toMs = endTime === undefined ? Number.POSITIVE_INFINITY : timestampMs(endTime);
      const list = ["audit", resource, user, method, `${fromMs}`, `${toMs}`];
      const { pageSize, after } = checked({
        pageSize: () => parsePageSize(request.pageSize),
        after: () => decodePageToken(list, request.pageToken),
        resource: () => parseText("resource", resource, MAX_FILTER_CHARS),
        user: () => parseText("user", user, MAX_FILTER_CHARS),
        method: () => parseText("method", method, MAX_FILTER_CHARS),
      });
      const isAsked = (entry: AuditEntry): boolean =>
        (resource === "" || entry.resource === resource || entry.resource.startsWith(`${resource}/`)) &&
        (user === "" || entry.user === user) &&
        (method === "" || entry.method === method || entry.method.endsWith(`/${method}`)) &&
        entry.atMs >= fromMs &&
        entry.atMs < toMs;
      const found: AuditEntry[] = [];
      let place = after;
      for (let looked = 0; looked < SCAN_BUDGET; looked += BATCH) {
        signal.throwIfAborted();
        const some = await audit.list(place, BATCH);
        for (const entry of some) {
          if (isAsked(entry)) found.push(entry);
          place = entry.id;
          if (found.length === pageSize)
            return { entries: found.map(toEntry), nextPageToken: encodeToken(list, place) };
        }
        const isOver = some.length === 0 || (some.at(-1)?.atMs ?? 0) < fromMs;
        if (isOver) return { entries: found.map(toEntry), nextPageToken: "" };
      }
      return { entries: found.map(toEntry), nextPageToken: encodeToken(list, place) };
    },
  };
}

const OUTCOMES = {
  unknown: AuditOutcome.UNSPECIFIED,
  done: AuditOutcome.DONE,
  failed: AuditOutcome.FAILED,
} as const satisfies Record<AuditEntry["outcome"], AuditOutcome>;

function toEntry(entry: AuditEntry): MessageInitShape<typeof AuditEntrySchema> {
  const { id, atMs, user, peer, callId, requestId, method, resource, outcome, error } = entry;
  const [request, before, after] = [entry.request, entry.before, entry.after].map((text) =>
    text === "" ? undefined : jsonOf(text),
  );
  return {
    entryId: id,
    time: timestampFromMs(atMs),
    user,
    peerAddress: peer,
    callId,
    requestId,
    method,
    resource,
    ...(request !== undefined && { request }),
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    outcome: OUTCOMES[outcome],
    errorMessage: error,
  };
}

function jsonOf(text: string): JsonObject {
  return JSON.parse(text) as JsonObject; // auditJson wrote an object
}
