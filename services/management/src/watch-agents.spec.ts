import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { aUid } from "@muster/fleet/builders";
import { WatchAgentsRequestSchema, type WatchAgentsResponse } from "@muster/protocol/muster/agents";
import { systemClock } from "@muster/runtime";
import { until } from "@muster/testkit";
import { openChangeFeed } from "./feed.ts";
import { encodeToken } from "./paging.ts";
import { failureOf, next, type SpecApi, startApi, storeAgent } from "./spec-api.ts";
import { watchAgents } from "./watch-agents.ts";

const agentIn = ({ event }: WatchAgentsResponse) => (event.case === "agent" ? event.value : undefined);
const removedIn = ({ event }: WatchAgentsResponse) => (event.case === "removed" ? event.value : undefined);
const tokenIn = ({ event }: WatchAgentsResponse) => (event.case === "bookmark" ? event.value.resumeToken : undefined);

describe("WatchAgents", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
    for (let n = 1; n <= 5; n++) await storeAgent(api.store, n, { labels: { env: n <= 3 ? "prod" : "dev" } });
  });
  after(() => api.stop());

  const stops: AbortController[] = [];
  after(() => {
    for (const stop of stops) stop.abort();
  });

  function watch(request: { readonly selector?: string; readonly resumeToken?: string }) {
    const stop = new AbortController();
    stops.push(stop);
    const stream = api.agents.watchAgents(request, { signal: stop.signal });
    return { stream: stream[Symbol.asyncIterator](), stop };
  }

  it("sends the snapshot, a bookmark, then changes, and tells who no longer matches", async () => {
    const { stream, stop } = watch({ selector: "env=prod" });
    const seen: string[] = [];
    for (let n = 1; n <= 3; n++) seen.push((await next(stream, agentIn)).instanceUid);
    assert.deepEqual(seen, [aUid(1), aUid(2), aUid(3)]);
    assert.notEqual(await next(stream, tokenIn), "");

    await storeAgent(api.store, 2, { healthy: false, epoch: 2 });
    const changed = await next(stream, agentIn);
    assert.deepEqual([changed.instanceUid, changed.health?.healthy], [aUid(2), false]);

    await storeAgent(api.store, 3, { labels: { env: "dev" }, epoch: 2 });
    assert.equal(await next(stream, removedIn), aUid(3));

    await storeAgent(api.store, 4, { labels: { env: "prod" }, epoch: 2 });
    assert.equal((await next(stream, agentIn)).instanceUid, aUid(4));
    stop.abort();
  });

  it("tells an agent that goes on under another uid as removed and as new", async () => {
    await storeAgent(api.store, 101, { labels: { env: "moving" } });
    const { stream, stop } = watch({ selector: "env=moving" });
    assert.equal((await next(stream, agentIn)).instanceUid, aUid(101));
    await next(stream, tokenIn);
    const renamed = { kind: "agent.renamed", uid: aUid(102), from: aUid(101), epoch: 2, n: 1, atMs: 0 } as const;
    await api.store.agents.project(aUid(102), [renamed]);
    const told = new Set<string>();
    while (told.size < 2) {
      told.add(
        await next(stream, (message) => {
          const [agent, removed] = [agentIn(message), removedIn(message)];
          return agent === undefined
            ? removed && `removed ${removed}`
            : `${agent.previousInstanceUids} is ${agent.instanceUid}`;
        }),
      );
    }
    assert.deepEqual([...told].sort(), [`${aUid(101)} is ${aUid(102)}`, `removed ${aUid(101)}`]);
    stop.abort();
  });

  it("says nothing of agents that never matched", async () => {
    const { stream, stop } = watch({ selector: "env=staging" });
    await next(stream, tokenIn);
    await storeAgent(api.store, 5, { healthy: true, epoch: 3 });
    await storeAgent(api.store, 6, { labels: { env: "staging" } });
    const first = await next(stream, (message) => message);
    assert.equal(agentIn(first)?.instanceUid, aUid(6));
    stop.abort();
  });

  it("goes on after a bookmark with what changed since, and nothing else", async () => {
    const before = watch({});
    const resumeToken = await next(before.stream, tokenIn);
    before.stop.abort();
    await storeAgent(api.store, 1, { healthy: false, epoch: 4 });

    const { stream, stop } = watch({ resumeToken });
    const missed = await next(stream, (message) => message);
    assert.deepEqual([agentIn(missed)?.instanceUid, agentIn(missed)?.health?.healthy], [aUid(1), false]);
    await next(stream, tokenIn);
    await storeAgent(api.store, 1, { healthy: true, epoch: 5 });
    assert.equal((await next(stream, agentIn)).health?.healthy, true);
    stop.abort();
  });

  it("tells after a resume that an agent left meanwhile", async () => {
    const before = watch({ selector: "env=leaving" });
    await storeAgent(api.store, 7, { labels: { env: "leaving" } });
    await next(before.stream, agentIn);
    const resumeToken = await next(before.stream, tokenIn);
    before.stop.abort();
    await storeAgent(api.store, 7, { labels: { env: "left" }, epoch: 2 });
    const { stream, stop } = watch({ selector: "env=leaving", resumeToken });
    assert.equal(await next(stream, removedIn), aUid(7));
    stop.abort();
  });

  it("sends the newest state only to who reads slowly", async () => {
    const stop = new AbortController();
    const { agents, desired, changes, groups } = api.store;
    const feed = await openChangeFeed({ changes, delay: systemClock.delay, onError() {} }, stop.signal);
    const deps = { agents, desired, groups, metadata: api.store.metadata, changes, feed, nowMs: Date.now };
    const stream = watchAgents(deps, create(WatchAgentsRequestSchema, { selector: "env=busy" }), stop.signal);
    await stream.next(); // the bookmark
    const first = stream.next();
    for (let n = 1; n <= 200; n++) {
      await storeAgent(api.store, 8, { labels: { env: "busy" }, healthy: n === 200, epoch: n });
    }
    await first;
    const { value } = await stream.next();
    const isHealthy = value?.event?.case === "agent" && value.event.value.health?.healthy === true;
    assert.ok(isHealthy, "the second message is not the newest state");
    stop.abort();
    await feed.ended;
  });

  it("refuses tokens of another selector and of nowhere", async () => {
    const { stream, stop } = watch({});
    const resumeToken = await next(stream, tokenIn);
    stop.abort();
    const other = await failureOf(watch({ selector: "env=prod", resumeToken }).stream.next());
    assert.equal(other.code, Code.InvalidArgument);
    const nowhere = encodeToken(["watch-agents", ""], ["1-0"]);
    const expired = await failureOf(watch({ resumeToken: nowhere }).stream.next());
    assert.equal(expired.code, Code.OutOfRange);
    assert.match(expired.rawMessage, /watch again without a resume token/);
  });

  it("leaves nothing behind when the caller goes", async () => {
    for (const stop of stops) stop.abort();
    await until(() => api.logged.filter((line) => line["code"] === "CANCELLED").length >= 5, { what: "ended calls" });
  });
});
