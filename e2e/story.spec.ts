// Both flows across real processes: fifty agents, one config, a rollout in three stages, as an operator sees it.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { RemoteConfigState } from "@muster/protocol/muster/agents";
import { type Rollout, RolloutPhase, StageState } from "@muster/protocol/muster/rollouts";
import type { Fleet } from "@muster/simulator";
import {
  listAll,
  offersTo,
  openWorld,
  publish,
  publishAgain,
  startNow,
  threeStages,
  untilListed,
  untilRollout,
  untilSucceeded,
  type World,
  watchToEnd,
} from "./world.ts";

describe("a rollout to fifty agents", () => {
  let world: World;
  let fleet: Fleet;
  let hash: string;

  before(async () => {
    world = await openWorld();
    fleet = await world.fleet({ count: 50 });
  });
  after(() => world.close());

  it("finds every agent in the list, described and healthy", async () => {
    const agents = await untilListed(world.operator, 50, "connected=true,healthy=true");
    assert.deepEqual(new Set(agents.map((a) => a.instanceUid)), new Set(fleet.agents.map((a) => a.uid)));
    assert.ok(agents.every((a) => a.identifyingAttributes["service.name"]?.kind.case === "stringValue"));
  });

  it("reaches nobody by publishing a revision", async () => {
    hash = await publish(world.operator, "base");
    assert.ok((await listAll(world.operator)).every((a) => a.desiredConfig === undefined));
    assert.ok(fleet.agents.every((agent) => offersTo(agent).length === 0));
  });

  it("goes through stages of exactly 5, 25 and 50 agents, and its watch ends", async () => {
    const { rollout } = await startNow(world.operator, { configId: "base", stages: threeStages(200) });
    const seen = await watchToEnd(world.operator, rollout?.rolloutId ?? "");
    const last = seen.at(-1);
    assert.equal(last?.phase, RolloutPhase.SUCCEEDED);
    assert.deepEqual(
      last.stages.map((s) => [s.state, s.size]),
      [
        [StageState.PASSED, 5n],
        [StageState.PASSED, 25n],
        [StageState.PASSED, 50n],
      ],
    );
    assert.equal(last.counts?.verified, 50n);
    const reached = new Set(seen.map(({ counts }) => (counts?.targeted ?? 0n) - (counts?.queued ?? 0n)));
    assert.ok(
      [...reached].every((count) => [0n, 5n, 25n, 50n].includes(count)),
      `reached ${[...reached]}`,
    );
    for (const { counts } of seen) {
      const { targeted, $typeName, $unknown, ...states } = counts ?? { targeted: 0n, $typeName: "", $unknown: [] };
      assert.equal(
        Object.values(states).reduce<bigint>((sum, n) => sum + BigInt(n), 0n),
        targeted,
      );
    }
  });

  it("leaves every agent APPLIED with the revision's hash, offered once", async () => {
    const agents = await untilListed(world.operator, 50, "config.status=applied");
    for (const agent of agents) {
      assert.equal(agent.remoteConfigStatus?.state, RemoteConfigState.APPLIED);
      assert.equal(agent.remoteConfigStatus.hash, hash);
      assert.equal(agent.desiredConfig?.hash, hash);
    }
    for (const agent of fleet.agents) assert.deepEqual(offersTo(agent), [hash]);
    const { config } = await world.operator.configs.getConfig({ configId: "base" });
    assert.deepEqual([config?.stableRevision, config?.activeRolloutId], [1n, ""]);
  });

  it("brings a newcomer the stable revision by itself", async () => {
    const late = await world.fleet({ count: 1, firstIndex: 50 });
    await untilListed(world.operator, 51, "config.status=applied");
    assert.deepEqual(late.agents.flatMap(offersTo), [hash]);
  });

  it("shows one agent with its effective config and its attempts", async () => {
    const [agent] = fleet.agents;
    const { agent: shown } = await world.operator.agents.getAgent({ instanceUid: agent?.uid ?? "" });
    assert.deepEqual(
      shown?.attempts.map((a) => [a.hash, a.number, a.state]),
      [[hash, 1, RemoteConfigState.APPLIED]],
    );
    const text = shown?.effectiveConfig?.files.map((file) => Buffer.from(file.body).toString()).join("") ?? "";
    assert.match(text, /nop/);
  });

  it("pauses, resumes and aborts; those who have the revision keep it", async () => {
    const { operator } = world;
    const next = await publishAgain(
      operator,
      "base",
      "receivers: {nop: {}}\nexporters: {nop: {}, debug: {}}\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}\n",
    );
    const { rollout } = await startNow(operator, { configId: "base", stages: threeStages(1_000_000) });
    const rolloutId = rollout?.rolloutId ?? "";
    await untilRollout(operator, rolloutId, "a baking stage", ({ stages }) => stages[0]?.state === StageState.BAKING);
    await assert.rejects(startNow(operator, { configId: "base" }), /at work on config "base"/);
    await operator.rollouts.pauseRollout({ rolloutId, reason: "lunch" });
    await untilRollout(operator, rolloutId, "the pause", ({ phase }) => phase === RolloutPhase.PAUSED);
    await operator.rollouts.resumeRollout({ rolloutId });
    await untilRollout(operator, rolloutId, "the resumption", ({ phase }) => phase === RolloutPhase.RUNNING);
    await operator.rollouts.abortRollout({ rolloutId, reason: "changed my mind" });
    const halted = await untilRollout(operator, rolloutId, "the end", ({ phase }) => phase === RolloutPhase.HALTED);
    assert.match(halted.message, /changed my mind/);
    const have = (await listAll(operator)).filter((a) => a.desiredConfig?.hash === next);
    assert.equal(have.length, 6); // 10 % of 51, rounded up
  });

  it("takes itself back when agents fail, names one, and never offers the hash again", async () => {
    const { operator } = world;
    const bad = await publishAgain(
      operator,
      "base",
      // A port in use, since nobody is offered a component that it lacks.
      "receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:9}}}, otlp/2: {protocols: {http: {endpoint: 127.0.0.1:9}}}}\nexporters: {nop: {}}\nservice: {pipelines: {traces: {receivers: [otlp, otlp/2], exporters: [nop]}}}\n",
    );
    const { rollout } = await startNow(operator, { configId: "base", stages: threeStages(0) });
    const rolloutId = rollout?.rolloutId ?? "";
    const isBack = ({ phase }: Rollout): boolean => phase === RolloutPhase.ROLLED_BACK;
    const { failures, counts } = await untilRollout(operator, rolloutId, "the way back", isBack);
    assert.equal(counts?.restored, 6n);
    assert.match(failures[0]?.errorMessage ?? "", /exited unexpectedly/);
    const victims = fleet.agents.filter((agent) => offersTo(agent).includes(bad));
    for (const victim of victims) assert.equal(offersTo(victim).filter((h) => h === bad).length, 1);
  });

  it("succeeds for a config that is for nobody", async () => {
    await publish(world.operator, "nobody", "env=nowhere");
    const { rollout } = await startNow(world.operator, { configId: "nobody" });
    assert.equal((await untilSucceeded(world.operator, rollout?.rolloutId ?? "")).counts?.targeted, 0n);
  });
});
