import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  BlameRevisionResponseSchema,
  ChangeKind,
  DiffRevisionsResponseSchema,
  RevisionSchema,
} from "@muster/protocol/muster/configs";
import { formatBlame, formatDiff, formatRevisions } from "./config-history-text.ts";

const NOW_MS = 1_000_000;
const createTime = timestampFromMs(NOW_MS - 60_000);

describe("the history of a config", () => {
  it("is rows of revisions", () => {
    const revisions = [create(RevisionSchema, { revision: 2n, hash: "ab".repeat(32), createTime, author: "ann" })];
    const [, row = ""] = formatRevisions(revisions, NOW_MS).split("\n");
    assert.deepEqual(row.split(/\s{2,}/), ["2", "abababababab", "1m ago", "ann", "-"]);
  });

  it("shows differences as text and by content", () => {
    const files = [{ name: "a.yaml", kind: ChangeKind.CHANGED, patch: "--- a.yaml\n+++ a.yaml\n" }, { name: "b.yaml" }];
    const changes = [
      { path: "a", kind: ChangeKind.ADDED, after: "1" },
      { path: "b", kind: ChangeKind.REMOVED, before: "2" },
      { path: "c.d", kind: ChangeKind.CHANGED, before: "3", after: '"3"' },
    ];
    const sides = { fromRevision: 1n, toRevision: 2n };
    assert.equal(
      formatDiff(create(DiffRevisionsResponseSchema, { ...sides, files, changes }), true),
      '--- a.yaml\n+++ a.yaml\nb.yaml: only its content type differs\n\nBy content, from revision 1 to revision 2, the latest:\n  + a: 1\n  - b: 2\n  ~ c.d: 3 → "3"\n',
    );
    assert.match(
      formatDiff(create(DiffRevisionsResponseSchema, { ...sides, files }), false),
      /By content nothing differs/,
    );
    const same = create(DiffRevisionsResponseSchema, { fromRevision: 0n, identical: true });
    assert.equal(formatDiff(same, false), "No difference between nothing and the files.\n");
  });

  it("puts beside each line who brought it, or that it is older", () => {
    const revisions = [
      { revision: 12n, createTime, author: "ann", message: "more of it" },
      { revision: 3n, createTime },
    ];
    const lines = [
      { text: "a: 1", revision: 3n },
      { text: "b: 2", revision: 12n },
    ];
    const blame = create(BlameRevisionResponseSchema, {
      oldestRevision: 3n,
      files: [{ name: "a.yaml", lines }],
      revisions,
    });
    assert.equal(
      formatBlame(blame, NOW_MS),
      "--- a.yaml\n≤3  1m ago  -               │ a: 1\n12  1m ago  ann  more of it │ b: 2\n",
    );
  });
});
