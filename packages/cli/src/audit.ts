// `muster audit`: who changed what.

import { create, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AuditEntry, AuditOutcome, ListAuditEntriesResponseSchema } from "@muster/protocol/muster/audit";
import type { Session } from "./session.ts";
import { formatTable } from "./table.ts";
import { msOf, wordOf } from "./text.ts";

/** Options of `audit`. */
export interface AuditOptions {
  readonly resource?: string;
  readonly by?: string;
  readonly method?: string;
  readonly since?: number;
  readonly limit: number;
  readonly changes?: boolean;
}

/** Lists changes, newest first. */
export async function listAudit(session: Session, options: AuditOptions): Promise<void> {
  const { resource = "", by = "", method = "", since, limit, changes = false } = options;
  const listed = create(ListAuditEntriesResponseSchema);
  do {
    const pageSize = Math.min(1_000, limit - listed.entries.length);
    const filter = { resource, user: by, method, ...(since !== undefined && { startTime: timestampFromMs(since) }) };
    const page = await session.audit.listAuditEntries(
      { ...filter, pageSize, pageToken: listed.nextPageToken },
      session.call,
    );
    listed.entries.push(...page.entries);
    listed.nextPageToken = page.nextPageToken;
  } while (listed.nextPageToken !== "" && listed.entries.length < limit);
  session.show(ListAuditEntriesResponseSchema, listed, () => {
    if (listed.entries.length === 0) return "Nobody changed anything that this asks for.\n";
    return changes ? listed.entries.map(formatEntry).join("\n") : formatEntries(listed.entries);
  });
}

const OUTCOMES = {
  [AuditOutcome.UNSPECIFIED]: "unknown",
  [AuditOutcome.DONE]: "done",
  [AuditOutcome.FAILED]: "failed",
} as const satisfies Record<AuditOutcome, string>;

function timeOf({ time }: AuditEntry): string {
  return new Date(msOf(time) ?? 0).toISOString();
}

function formatEntries(entries: readonly AuditEntry[]): string {
  const rows = entries.map((entry) => [
    timeOf(entry),
    entry.user === "" ? "-" : entry.user,
    entry.method.split("/").at(-1) ?? "",
    entry.resource,
    wordOf(OUTCOMES, entry.outcome),
  ]);
  return formatTable(["TIME", "USER", "METHOD", "RESOURCE", "OUTCOME"], rows);
}

function formatEntry(entry: AuditEntry): string {
  const { user, method, resource, outcome, peerAddress, before, after, request, errorMessage } = entry;
  const head = `${timeOf(entry)} ${user === "" ? "somebody" : user} (${peerAddress}) ${method} ${resource}: ${wordOf(OUTCOMES, outcome)}\n`;
  const failed = errorMessage === "" ? "" : `  ${errorMessage}\n`;
  const told = before === undefined && after === undefined ? request : undefined;
  const lines = told === undefined ? changed(before ?? {}, after ?? {}) : changed({}, told);
  return head + failed + lines.map((line) => `  ${line}\n`).join("");
}

/** What differs between two resources, a line per field. */
function changed(before: JsonObject, after: JsonObject): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => {
    const [old, now] = [textOf(before[name]), textOf(after[name])];
    if (old === now) return [];
    return [...(old === null ? [] : [`- ${name}: ${old}`]), ...(now === null ? [] : [`+ ${name}: ${now}`])];
  });
}

function textOf(value: JsonValue | undefined): string | null {
  if (value === undefined) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}
