// What revisions of a config tell of each other: who wrote them, what differs, which line came when; and how they come back
// and go.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { parseRolloutId } from "@muster/fleet";
import { BlameRevisionRequestSchema, ChangeKind } from "@muster/protocol/muster/configs";
import { ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import { blameRevision } from "./blame-revision.ts";
import { failureOf, type SpecApi, startApi } from "./spec-api.ts";

const file = (body: string, name = "a.yaml") => ({ name, body: Buffer.from(body) });
const as = (user: string) => ({ headers: { "muster-user": user } });

describe("the history of a config", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  /** A config with a revision per body. */
  async function published(configId: string, ...bodies: readonly string[]): Promise<string> {
    await api.configs.createConfig({ configId });
    for (const [i, body] of bodies.entries()) {
      const request = { configId, files: [file(body)], message: `message ${i + 1}` };
      await api.configs.publishRevision(request, as(`user${i + 1}`));
    }
    return configId;
  }
  const reasonOf = async (call: Promise<unknown>) => {
    const error = await failureOf(call);
    return [error.code, error.findDetails(ErrorInfoSchema)[0]?.reason];
  };

  it("says who published what", async () => {
    const configId = await published("authors", "a: 1");
    await api.configs.publishRevision({ configId, files: [file("a: 2")] });
    const { revisions } = await api.configs.listRevisions({ configId });
    assert.deepEqual(
      revisions.map(({ author }) => author),
      ["", "user1"],
    );
    assert.equal((await api.configs.getRevision({ configId, revision: 1n })).revision?.author, "user1");
  });

  it("comes back by a request whose id another method had", async () => {
    const configId = await published("shared-id", "a: 1");
    await api.configs.publishRevision({ configId, files: [file("a: 2")], requestId: "same" });
    const restored = await api.configs.restoreRevision({ configId, revision: 1n, requestId: "same" });
    assert.equal(restored.revision?.revision, 3n);
    const again = await api.configs.restoreRevision({ configId, revision: 1n, requestId: "same" });
    assert.deepEqual(again, restored);
  });

  it("is blamed no longer when the config is deleted meanwhile", async () => {
    const configId = await published("vanishing", "a: 1\n", "a: 1\nb: 2\n");
    const configs = { ...api.store.configs, revisions: async () => [] };
    const request = create(BlameRevisionRequestSchema, { configId });
    const blame = blameRevision({ configs }, request, AbortSignal.timeout(5_000));
    await assert.rejects(blame, /There is no config "vanishing"/);
  });

  it("compares a revision with the one before it, as text and by content", async () => {
    const configId = await published("compared", "a: 1\nb: {c: 1}\n", "b: {c: 2} # why\na: 1\n");
    const diff = await api.configs.diffRevisions({ configId });
    assert.deepEqual([diff.fromRevision, diff.toRevision, diff.identical], [1n, 2n, false]);
    assert.equal(diff.files.length, 1);
    assert.equal(
      diff.files[0]?.patch,
      "--- a.yaml\n+++ a.yaml\n@@ -1,2 +1,2 @@\n+b: {c: 2} # why\n a: 1\n-b: {c: 1}\n",
    );
    const { $typeName: _, ...change } = diff.changes[0] ?? assert.fail("no change");
    assert.deepEqual(change, { path: "b.c", kind: ChangeKind.CHANGED, before: "1", after: "2" });
    assert.equal(diff.changes.length, 1);
  });

  it("compares the first revision with nothing, any with any, and the latest with files", async () => {
    const configId = await published("sides", "a: 1", "a: 2", "a: 3");
    const first = await api.configs.diffRevisions({ configId, toRevision: 1n });
    assert.deepEqual([first.fromRevision, first.files[0]?.kind], [0n, ChangeKind.ADDED]);
    const back = await api.configs.diffRevisions({ configId, fromRevision: 3n, toRevision: 1n });
    assert.deepEqual([back.changes[0]?.before, back.changes[0]?.after], ["3", "1"]);
    const same = await api.configs.diffRevisions({ configId, toFiles: [file("a: 3")] });
    assert.deepEqual([same.identical, same.files, same.changes, same.fromRevision], [true, [], [], 3n]);
    const others = await api.configs.diffRevisions({ configId, toFiles: [file("a: 3", "b.yaml")] });
    assert.deepEqual(
      others.files.map(({ name, kind }) => [name, kind]),
      [
        ["a.yaml", ChangeKind.REMOVED],
        ["b.yaml", ChangeKind.ADDED],
      ],
    );
    assert.deepEqual(others.changes, [], "they merge to the same");
    const none = await failureOf(api.configs.diffRevisions({ configId, fromRevision: 9n }));
    assert.equal(none.code, Code.NotFound);
  });

  it("says of each line who brought it", async () => {
    const configId = await published("blamed", "a: 1\nb: 1\n", "a: 1\nb: 2\n", "a: 1\nb: 2\nc: 3\n");
    const blame = await api.configs.blameRevision({ configId });
    const lines = blame.files[0]?.lines ?? [];
    assert.deepEqual(
      lines.map(({ text, revision }) => [text, revision]),
      [
        ["a: 1", 1n],
        ["b: 2", 2n],
        ["c: 3", 3n],
      ],
    );
    assert.deepEqual(
      blame.revisions.map(({ revision, author, message }) => [revision, author, message]),
      [
        [3n, "user3", "message 3"],
        [2n, "user2", "message 2"],
        [1n, "user1", "message 1"],
      ],
    );
    assert.equal(blame.oldestRevision, 1n);
    const before = await api.configs.blameRevision({ configId, revision: 2n });
    assert.deepEqual(
      before.files[0]?.lines.map(({ revision }) => revision),
      [1n, 2n],
    );
  });

  it("looks at 200 revisions at most, and says so", async () => {
    const bodies = Array.from({ length: 205 }, (_, i) => `a: 1\nb: ${i}\n`);
    const configId = await published("long", ...bodies);
    const blame = await api.configs.blameRevision({ configId });
    assert.deepEqual([blame.oldestRevision, blame.files[0]?.lines.map(({ revision }) => revision)], [6n, [6n, 205n]]);
  });

  it("brings old content back as a new revision", async () => {
    const configId = await published("restored", "a: 1", "a: 2");
    const dry = await api.configs.restoreRevision({ configId, revision: 1n, validateOnly: true });
    assert.deepEqual([dry.revision?.revision, dry.revision?.message], [3n, "Restores revision 1."]);
    const { revision } = await api.configs.restoreRevision(
      { configId, revision: 1n, message: "two was bad" },
      as("ann"),
    );
    assert.deepEqual(
      [revision?.revision, revision?.message, revision?.author, String(Buffer.from(revision?.files[0]?.body ?? []))],
      [3n, "Restores revision 1: two was bad", "ann", "a: 1"],
    );
    const stale = api.configs.restoreRevision({ configId, revision: 2n, expectedLatestRevision: 2n });
    assert.deepEqual(await reasonOf(stale), [Code.Aborted, "REVISION_MISMATCH"]);
    assert.equal((await failureOf(api.configs.restoreRevision({ configId }))).code, Code.InvalidArgument);
    assert.equal((await failureOf(api.configs.restoreRevision({ configId, revision: 9n }))).code, Code.NotFound);
  });

  it("refuses a revision that rests on another than the latest one, also when it is only checked", async () => {
    const configId = await published("raced", "a: 1", "a: 2");
    for (const validateOnly of [false, true]) {
      const call = api.configs.publishRevision({
        configId,
        files: [file("a: 3")],
        expectedLatestRevision: 1n,
        validateOnly,
      });
      assert.deepEqual(await reasonOf(call), [Code.Aborted, "REVISION_MISMATCH"]);
    }
  });

  it("ends when the config is deleted, which takes that no rollout of it counts", async () => {
    const configId = await published("deleted", "a: 1");
    const { rollout } = await api.rollouts.startRollout({ configId });
    const id = parseRolloutId(rollout?.rolloutId ?? "");
    assert.deepEqual(await reasonOf(api.configs.deleteConfig({ configId })), [
      Code.FailedPrecondition,
      "CONFIG_IN_USE",
    ]);
    const stored = (await api.store.rollouts.get(id)) ?? assert.fail("no rollout");
    const ended = { observedGeneration: 1, startedAtMs: 1, endedAtMs: 2, isSettled: true } as const;
    const commit = async (phase: "succeeded" | "reverted") => {
      const now = (await api.store.rollouts.get(id)) ?? assert.fail("no rollout");
      const status = { ...stored.status, ...ended, phase, reason: "aborted" } as const;
      assert.equal(await api.store.rollouts.commit(now, { status, wave: [], decisions: [] }), "committed");
    };
    await commit("succeeded");
    const inUse = await failureOf(api.configs.deleteConfig({ configId }));
    assert.match(inUse.rawMessage, new RegExp(`Agents have config "deleted" from rollout ${id}; revert`));
    await commit("reverted");
    const generation = api.configs.deleteConfig({ configId, expectedGeneration: 7n });
    assert.deepEqual(await reasonOf(generation), [Code.Aborted, "GENERATION_MISMATCH"]);
    await api.configs.deleteConfig({ configId, validateOnly: true });
    const { config } = await api.configs.deleteConfig({ configId, expectedGeneration: 1n });
    assert.equal(config?.latestRevision, 1n);
    assert.equal((await failureOf(api.configs.getConfig({ configId }))).code, Code.NotFound);
    assert.equal((await failureOf(api.configs.getRevision({ configId, revision: 1n }))).code, Code.NotFound);
  });
});
