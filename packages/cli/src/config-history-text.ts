// Revisions, their differences and their lines as people read them. Pure.

import {
  type BlameRevisionResponse,
  ChangeKind,
  type ContentChange,
  type DiffRevisionsResponse,
  type Revision,
} from "@muster/protocol/muster/configs";
import { formatTable } from "./table.ts";
import { formatAge, msOf, oneLine, shortHash } from "./text.ts";

/** A table of revisions. */
export function formatRevisions(revisions: readonly Revision[], nowMs: number): string {
  const rows = revisions.map((each) => [
    String(each.revision),
    shortHash(each.hash),
    formatAge(msOf(each.createTime), nowMs),
    each.author || "-",
    oneLine(each.message, 60) || "-",
  ]);
  return formatTable(["REVISION", "HASH", "PUBLISHED", "BY", "MESSAGE"], rows);
}

/** The difference of texts, and below it what it comes to. */
export function formatDiff(diff: DiffRevisionsResponse, isLatest: boolean): string {
  const to = diff.toRevision === 0n ? "the files" : `revision ${diff.toRevision}${isLatest ? ", the latest" : ""}`;
  const from = diff.fromRevision === 0n ? "nothing" : `revision ${diff.fromRevision}`;
  if (diff.identical) return `No difference between ${from} and ${to}.\n`;
  const patches = diff.files.map(({ name, patch }) => patch || `${name}: only its content type differs\n`);
  const changes = diff.changes.map((each) => `  ${changeText(each)}\n`);
  const summary =
    changes.length === 0
      ? "By content nothing differs: only order, comments or manner of writing do.\n"
      : `By content, from ${from} to ${to}:\n${changes.join("")}`;
  return `${patches.join("")}\n${summary}`;
}

function changeText({ kind, path, before, after }: ContentChange): string {
  switch (kind) {
    case ChangeKind.ADDED:
      return `+ ${path}: ${oneLine(after, 100)}`;
    case ChangeKind.REMOVED:
      return `- ${path}: ${oneLine(before, 100)}`;
    default:
      return `~ ${path}: ${oneLine(before, 60)} → ${oneLine(after, 60)}`;
  }
}

/** Every line with the revision that brought it. */
export function formatBlame(blame: BlameRevisionResponse, nowMs: number): string {
  const known = new Map(blame.revisions.map((each) => [each.revision, each]));
  const files = blame.files.map(({ name, lines }) => {
    const rows = lines.map(({ text, revision }) => {
      const from = known.get(revision);
      const isOlder = revision === blame.oldestRevision && revision > 1n;
      return {
        head: [
          `${isOlder ? "≤" : ""}${revision}`,
          formatAge(msOf(from?.createTime), nowMs),
          oneLine(from?.author ?? "", 20) || "-",
          oneLine(from?.message ?? "", 30),
        ],
        text,
      };
    });
    const widths = [0, 1, 2, 3].map((i) => Math.max(0, ...rows.map(({ head }) => head[i]?.length ?? 0)));
    const texts = rows.map(
      ({ head, text }) => `${head.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")} │ ${text}\n`,
    );
    return `--- ${name}\n${texts.join("")}`;
  });
  return files.join("");
}
