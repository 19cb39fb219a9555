import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import type { AgentEvent, InstanceUid } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

describe("what operators say of agents, by the API", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
    for (let n = 1; n <= 6; n++) await storeAgent(api.store, n, { labels: { env: n <= 4 ? "prod" : "dev" } });
  });
  after(() => api.stop());

  /** What a projector does when it is told to look again. */
  const look = async (...uids: readonly InstanceUid[]) => {
    const head = { epoch: 0, n: 0, atMs: 1 };
    const event = (uid: InstanceUid): AgentEvent => ({ kind: "agent.metadata-changed", uid, ...head });
    for (const uid of uids) await api.store.agents.project(uid, [event(uid)]);
  };
  const mask = (...paths: readonly string[]) => ({ updateMask: { paths: [...paths] } });

  it("replaces what the mask names, and answers what is said then", async () => {
    const instanceUid = aUid(1);
    const labels = { canary: "true", "acme.example/team": "core" };
    const first = await api.agents.updateAgent({ instanceUid, labels, ...mask("labels") });
    assert.deepEqual({ ...first.agent?.labels }, labels);
    const annotations = { note: "handle\nwith care" };
    const { agent } = await api.agents.updateAgent({ instanceUid, annotations, ...mask("annotations") });
    assert.deepEqual(
      [{ ...agent?.labels }, { ...agent?.annotations }, agent?.metadataGeneration],
      [labels, annotations, 2n],
    );
    const { agents } = await api.agents.listAgents({ pageSize: 1 });
    assert.deepEqual([{ ...agents[0]?.labels }, { ...agents[0]?.annotations }], [labels, annotations]);
    assert.equal(Number(await api.store.events.lag()) > 0, true, "the projector is told");
  });

  it("changes nothing when it is only to be checked, and counts no change that is none", async () => {
    const instanceUid = aUid(2);
    const wish = { instanceUid, labels: { a: "1" }, ...mask("labels") };
    const { agent } = await api.agents.updateAgent({ ...wish, validateOnly: true });
    assert.deepEqual([{ ...agent?.labels }, agent?.metadataGeneration], [{ a: "1" }, 1n]);
    assert.equal((await api.agents.getAgent({ instanceUid })).agent?.metadataGeneration, 0n);
    await api.agents.updateAgent(wish);
    assert.equal((await api.agents.updateAgent(wish)).agent?.metadataGeneration, 1n);
  });

  it("refuses a change of what somebody else changed meanwhile", async () => {
    const wish = { instanceUid: aUid(3), ...mask("labels") };
    await api.agents.updateAgent({ ...wish, labels: { a: "1" } });
    await api.agents.updateAgent({ ...wish, labels: { a: "2" }, expectedGeneration: 1n });
    const failure = await failureOf(api.agents.updateAgent({ ...wish, labels: { a: "3" }, expectedGeneration: 1n }));
    assert.equal(failure.code, Code.Aborted);
    assert.match(failure.rawMessage, /is at generation 2, not 1/);
  });

  it("refuses the first word of somebody who did not see another's", async () => {
    const wish = { instanceUid: aUid(5), expectedGeneration: 0n, ...mask("labels") };
    await api.agents.updateAgent({ ...wish, labels: { a: "1" } });
    assert.equal((await failureOf(api.agents.updateAgent({ ...wish, labels: { b: "1" } }))).code, Code.Aborted);
    assert.deepEqual({ ...(await api.agents.getAgent({ instanceUid: aUid(5) })).agent?.labels }, { a: "1" });
  });

  const refused = [
    ["an agent that nobody knows", { instanceUid: aUid(99), ...mask("labels") }, Code.NotFound],
    ["no mask", { instanceUid: aUid(1), labels: { a: "1" } }, Code.InvalidArgument],
    ["a mask of something else", { instanceUid: aUid(1), ...mask("health") }, Code.InvalidArgument],
    ["no label", { instanceUid: aUid(1), labels: { "a b": "1" }, ...mask("labels") }, Code.InvalidArgument],
    [
      "more than an agent may have",
      {
        instanceUid: aUid(1),
        labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ""])),
        ...mask("labels"),
      },
      Code.FailedPrecondition,
    ],
  ] as const;
  for (const [name, request, code] of refused) {
    it(`refuses ${name}`, async () => {
      assert.equal((await failureOf(api.agents.updateAgent(request))).code, code);
    });
  }

  it("labels all that a selector matches, by labels too, and leaves alone who has them", async () => {
    const all = Array.from({ length: 6 }, (_, i) => aUid(i + 1));
    const wish = { selector: "env=prod,!ring", setLabels: { ring: "one" } };
    const counts = async (request: Parameters<typeof api.agents.labelAgents>[0]) => {
      const { matchedCount, changedCount } = await api.agents.labelAgents(request);
      return [matchedCount, changedCount];
    };
    assert.deepEqual(await counts({ ...wish, validateOnly: true }), [4n, 4n]);
    const told = [await api.store.events.lag()];
    for (const expected of [
      [4n, 4n],
      [4n, 0n],
    ]) {
      assert.deepEqual(await counts(wish), expected, "before the projector looked");
      told.push(await api.store.events.lag());
    }
    assert.ok(
      (told[0] ?? 0) < (told[1] ?? 0) && (told[1] ?? 0) < (told[2] ?? 0),
      "the projector is told, and told again",
    );
    await look(...all);
    assert.deepEqual(await counts(wish), [0n, 0n]);
    assert.equal(await api.store.events.lag(), told[2], "and not where nothing is to be seen");
    assert.equal((await api.agents.countAgents({ selector: "ring=one" })).count, 4n);
    assert.deepEqual(await counts({ selector: "ring", setLabels: { ring: "two" }, removeLabels: ["canary"] }), [
      4n,
      4n,
    ]);
    await look(...all);
    const { groups } = await api.agents.summarizeAgents({ groupBy: "ring" });
    assert.deepEqual(
      groups.map(({ value, count }) => [value, count]),
      [["two", 4n]],
    );
    assert.deepEqual(
      { ...(await api.agents.getAgent({ instanceUid: aUid(1) })).agent?.annotations },
      { note: "handle\nwith care" },
    );
  });

  it("refuses to label everybody by accident, and to do nothing", async () => {
    const failure = await failureOf(api.agents.labelAgents({}));
    assert.equal(failure.code, Code.InvalidArgument);
    assert.match(failure.rawMessage, /selector: is empty.*set_labels: nothing/);
  });
});
