import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { aUid } from "@muster/fleet/builders";
import { failureOf, next, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

describe("forgetting agents, by the API", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
    for (let n = 1; n <= 6; n++) await storeAgent(api.store, n, { labels: { env: n <= 3 ? "old" : "new" } });
    for (let n = 1; n <= 4; n++) await storeAgent(api.store, n, { connected: false, epoch: 2 });
  });
  after(() => api.stop());

  it("refuses who is connected, and says how to leave them out", async () => {
    const failure = await failureOf(api.agents.forgetAgents({ selector: "env=new" }));
    assert.equal(failure.code, Code.FailedPrecondition);
    assert.match(failure.rawMessage, new RegExp(`^Agent ${aUid(5)} and 1 more is connected .*connected=false`));
    assert.equal((await api.agents.countAgents({})).count, 6n);
  });

  it("counts whom it would forget, then forgets them, and tells who watches", async () => {
    const stop = new AbortController();
    const watch = api.agents.watchAgents({ selector: "env=old" }, { signal: stop.signal })[Symbol.asyncIterator]();
    await next(watch, ({ event }) => (event.case === "bookmark" ? true : undefined));
    const request = { selector: "env=old,connected=false" };
    assert.equal((await api.agents.forgetAgents({ ...request, validateOnly: true })).forgottenCount, 3n);
    assert.equal((await api.agents.countAgents({})).count, 6n);
    const { forgottenCount, skippedCount } = await api.agents.forgetAgents(request);
    assert.deepEqual([forgottenCount, skippedCount], [3n, 0n]);
    const removed = new Set<string>();
    while (removed.size < 3) {
      removed.add(await next(watch, ({ event }) => (event.case === "removed" ? event.value : undefined)));
    }
    assert.deepEqual([...removed].sort(), [aUid(1), aUid(2), aUid(3)]);
    stop.abort();
    assert.equal((await api.agents.countAgents({})).count, 3n);
  });

  it("forgets one by its uid, however often it is named, and does not know it then", async () => {
    const request = { instanceUids: [aUid(4), aUid(4)] };
    assert.equal((await api.agents.forgetAgents(request)).forgottenCount, 1n);
    assert.equal((await failureOf(api.agents.forgetAgents(request))).code, Code.NotFound);
    assert.equal((await failureOf(api.agents.getAgent({ instanceUid: aUid(4) }))).code, Code.NotFound);
  });

  for (const [name, request] of [
    ["nobody", {}],
    ["agents by both ways", { instanceUids: [aUid(5)], selector: "env=new" }],
    ["what is no uid", { instanceUids: ["x"] }],
    ["more than a thousand uids", { instanceUids: Array.from({ length: 1_001 }, () => aUid(5)) }],
  ] as const) {
    it(`refuses to forget ${name}`, async () => {
      const call = api.agents.forgetAgents({
        ...request,
        instanceUids: [...("instanceUids" in request ? request.instanceUids : [])],
      });
      assert.equal((await failureOf(call)).code, Code.InvalidArgument);
    });
  }
});
