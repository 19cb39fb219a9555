// What operators say of agents, from where it is kept to the views that selectors see.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentEvent, type InstanceUid, labelsOf, NO_METADATA, parseSelector } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { useStore } from "./spec-store.ts";

const [A, B] = [aUid(1), aUid(2)];
const said = (labels: Readonly<Record<string, string>>, generation = 1) => ({
  generation,
  labels: Object.entries(labels),
  annotations: [],
});

describe("what operators say of agents", () => {
  const spec = useStore();
  const { signal } = new AbortController();
  let n = 0;
  const at = (uid: InstanceUid) => ({ uid, epoch: 1, n: ++n, atMs: 1 });
  const described = (uid: InstanceUid): AgentEvent => {
    return { kind: "agent.described", ...at(uid), identifying: [], nonIdentifying: [["env", "dev"]] };
  };
  const hint = (uid: InstanceUid): AgentEvent => ({ kind: "agent.metadata-changed", uid, epoch: 0, n: 0, atMs: 1 });
  const project = (uid: InstanceUid, ...events: readonly AgentEvent[]) => spec.store.agents.project(uid, events);
  const say = async (uid: InstanceUid, labels: Readonly<Record<string, string>>): Promise<boolean> => {
    const [before = NO_METADATA] = await spec.store.metadata.load([uid]);
    const [done] = await spec.store.metadata.put([{ uid, before, after: said(labels, before.generation + 1) }]);
    return done ?? false;
  };
  const labels = async (uid: InstanceUid) => {
    const found = await spec.store.agents.get(uid);
    return found === undefined ? null : Object.fromEntries(labelsOf(found.view));
  };
  const count = (text: string) => spec.store.agents.tally.count(parseSelector(text), signal);

  it("is kept unless somebody else was faster, in the order of the agents", async () => {
    assert.deepEqual(await spec.store.metadata.load([A, B]), [NO_METADATA, NO_METADATA]);
    const writes = [A, B].map((uid) => ({ uid, before: NO_METADATA, after: said({ a: "1" }) }));
    assert.deepEqual(await spec.store.metadata.put(writes.slice(1)), [true]);
    assert.deepEqual(await spec.store.metadata.put(writes), [true, false]);
    assert.deepEqual(await spec.store.metadata.load([B, A, aUid(3)]), [
      said({ a: "1" }),
      said({ a: "1" }),
      NO_METADATA,
    ]);
    await spec.store.metadata.remove([A]);
    assert.deepEqual(await spec.store.metadata.load([A, B]), [NO_METADATA, said({ a: "1" })]);
  });

  it("is read all over, some at a time", async () => {
    const uids = Array.from({ length: 700 }, (_, i) => aUid(i + 1));
    const writes = uids.map((uid, i) => ({ uid, before: NO_METADATA, after: said({ a: String(i) }) }));
    await spec.store.metadata.put(writes);
    const found = new Map<InstanceUid, string | undefined>();
    let [cursor, reads] = ["0", 0];
    do {
      const page = await spec.store.metadata.scan(cursor, 100);
      for (const [uid, { labels }] of page.said) found.set(uid, labels[0]?.[1]);
      ({ cursor } = page);
      reads += 1;
    } while (cursor !== "0");
    assert.deepEqual(found, new Map(uids.map((uid, i) => [uid, String(i)])));
    assert.ok(reads > 3, `${reads} reads`);
  });

  it("reaches the view when the projector is told to look again, and the index with it", async () => {
    await project(A, described(A));
    await say(A, { env: "prod", canary: "true" });
    assert.deepEqual(await labels(A), { env: "dev" });
    await project(A, hint(A));
    assert.deepEqual(await labels(A), { env: "prod", canary: "true" });
    assert.deepEqual([await count("env=prod"), await count("env=dev"), await count("canary")], [1, 0, 1]);
    assert.deepEqual(
      (await spec.store.desired.unassigned(spec.store.sessions.partitionOf(A), 9)).map(({ version }) => version),
      [2],
    );
    await say(A, {});
    await project(A, hint(A));
    assert.deepEqual([await count("env=prod"), await count("env=dev"), await count("canary")], [0, 1, 0]);
  });

  it("is found again by an agent whose view was lost", async () => {
    await project(A, described(A));
    await say(A, { canary: "true" });
    const { key } = { key: `muster:{${spec.store.sessions.partitionOf(A)}}:agent:${A}` };
    await spec.redis.del(key);
    const other = await spec.open(); // remembers nothing
    await other.agents.project(A, [described(A)]);
    assert.deepEqual(await labels(A), { env: "dev", canary: "true" });
  });

  it("makes no agent of a uid that nobody reported", async () => {
    await say(A, { canary: "true" });
    await project(A, hint(A));
    assert.equal(await labels(A), null);
  });

  it("goes on with an agent under its new uid, whose own words count first", async () => {
    await project(A, described(A));
    await say(A, { env: "prod", team: "core" });
    await say(B, { env: "test" });
    await project(B, { kind: "agent.renamed", ...at(B), from: A });
    assert.deepEqual(await labels(B), { env: "test", team: "core" });
    assert.deepEqual((await spec.store.metadata.load([A]))[0], NO_METADATA);
    // Somebody who found the agent a moment before.
    await say(A, { late: "yes" });
    await project(A, hint(A));
    assert.deepEqual(await labels(B), { env: "test", team: "core", late: "yes" });
  });

  it("is looked at again by whoever reads the streams", async () => {
    await project(A, described(A));
    await say(A, { canary: "true" });
    await spec.store.events.lookAgain([A, B], 1);
    const stop = new AbortController();
    await spec.store.events.consume(
      "spec",
      async (batches) => {
        for (const { events } of batches) for (const event of events) await project(event.uid, event);
        if ((await labels(A))?.["canary"] === "true") stop.abort();
      },
      stop.signal,
    );
    assert.deepEqual(await labels(A), { env: "dev", canary: "true" });
    assert.equal(await labels(B), null);
  });
});
