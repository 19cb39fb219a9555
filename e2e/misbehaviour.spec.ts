// Agents that misbehave against the real thing: the silent and the dead fail a rollout in time and by name, the confused
// are asked once and no more, and two that share a uid disturb nobody but themselves.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { type Rollout, RolloutPhase } from "@muster/protocol/muster/rollouts";
import { until } from "@muster/testkit";
import { listAll, openWorld, publish, startNow, untilListed, untilRollout, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.close());

const http = (): string => (world.stack.opampUrls[0] ?? "").replace("ws:", "http:");
const labelled = (kind: string) => () =>
  [
    ["service.name", "collector"],
    ["kind", kind],
  ] as const;
const shortest = { seconds: 10n, nanos: 0 };

it("fails a rollout by name for agents that are silent or dead after the offer", async () => {
  const { operator } = world;
  const silent = await world.fleet({ count: 2, firstIndex: 10, attributes: labelled("odd") });
  const polling = await world.fleet({
    count: 1,
    firstIndex: 20,
    endpoint: http(),
    heartbeatMs: 500,
    attributes: labelled("odd"),
  });
  const dying = await world.fleet({ count: 1, firstIndex: 30, attributes: labelled("odd") });
  for (const agent of [...silent.agents, ...polling.agents]) agent.misbehave({ kind: "stall" });
  for (const agent of dying.agents) agent.misbehave({ kind: "die-after-offer" });
  await untilListed(operator, 4, "kind=odd,connected=true");
  await publish(operator, "odd", "kind=odd");
  const { rollout } = await startNow(operator, { configId: "odd", applyTimeout: shortest });
  const rolloutId = rollout?.rolloutId ?? "";
  const isNamed = ({ failures }: Rollout): boolean =>
    failures.filter(({ state }) => state === "timed_out").length === 4;
  const paused = await untilRollout(operator, rolloutId, "four that timed out", isNamed);
  assert.deepEqual([paused.phase, paused.reason], [RolloutPhase.PAUSED, "inconclusive"]);
  const named = new Set(paused.failures.map(({ instanceUid }) => instanceUid));
  assert.deepEqual(named, new Set([...silent.agents, ...polling.agents, ...dying.agents].map(({ uid }) => uid)));
  await operator.rollouts.abortRollout({ rolloutId });
});

it("asks an agent that skips sequence numbers for everything, and does not loop", async () => {
  const { operator } = world;
  const fleet = await world.fleet({ count: 1, firstIndex: 40, heartbeatMs: 200, attributes: labelled("skips") });
  await untilListed(operator, 1, "kind=skips,connected=true");
  const [agent] = fleet.agents;
  agent?.misbehave({ kind: "skip-sequence-numbers", count: 1 });
  await until(() => fleet.counts().fullStateRequests > 0, { what: "the request for full state" });
  const received = fleet.counts().received;
  await until(() => fleet.counts().received > received + 20, { timeoutMs: 15_000, what: "twenty more answers" });
  // Every message of this agent is a gap and is asked about; the full report that follows never is.
  assert.ok(fleet.counts().fullStateRequests * 2 <= fleet.counts().sent + 2);
  await untilListed(operator, 1, "kind=skips,connected=true,healthy=true");
});

it("lets two agents that share a uid take turns without a storm", async () => {
  const { operator } = world;
  const fleet = await world.fleet({ count: 2, firstIndex: 50, heartbeatMs: 300, attributes: labelled("twins") });
  const bystanders = await world.fleet({ count: 3, firstIndex: 60, heartbeatMs: 300 });
  await untilListed(operator, 2, "kind=twins,connected=true");
  const [one, two] = fleet.agents;
  two?.misbehave({ kind: "duplicate-uid", uid: one?.uid ?? "" });
  await two?.restart();
  const { received, connects } = fleet.counts();
  await until(() => fleet.counts().received > received + 30, { timeoutMs: 20_000, what: "thirty more answers" });
  assert.ok(fleet.counts().connects - connects <= 1, "nobody is driven to reconnect");
  assert.equal(bystanders.counts().connects, 3);
  assert.ok((await listAll(operator, "kind=twins")).length >= 1);
});
