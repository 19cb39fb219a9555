// What real supervisors do with a config, row by row. One that fails them: whatever they do, each ends on the config that it
// ran before, healthy, also after its machine died, with the failed hash never offered again and the reason shown. One that
// is good: each ends verified, however little it says.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Agent } from "@muster/protocol/muster/agents";
import { ConflictPolicy, type Rollout, RolloutPhase } from "@muster/protocol/muster/rollouts";
import type { Fleet, FleetOptions, Misbehaviour } from "@muster/simulator";
import { until } from "@muster/testkit";
import {
  GOOD_CONFIG,
  offersTo,
  openWorld,
  publish,
  publishAgain,
  startNow,
  untilListed,
  untilRollout,
  untilSucceeded,
  type World,
} from "./world.ts";

let world: World;
before(async () => {
  world = await openWorld({ gateway: 2 });
});
after(() => world.close());

/**
 * As fast as agents may be and still do everything in the order of real ones. They do not tell their components: who does
 * is never offered what it cannot run.
 */
const QUICK = {
  applyTimeoutMs: 300,
  startMs: 20,
  crashMs: 10,
  crashRestartMs: 200,
  heartbeatMs: 500,
  dropCapabilities: ["ReportsAvailableComponents"],
} as const satisfies Partial<FleetOptions>;
const UNKNOWN = GOOD_CONFIG.replaceAll("nop", "nonsense");
const withResource = (line: string): string =>
  GOOD_CONFIG.replace("service: {", `service: {telemetry: {resource: {${line}}}, `);
const PORT_TWICE = [
  "receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:9}}}, otlp/2: {protocols: {http: {endpoint: 127.0.0.1:9}}}}",
  "exporters: {nop: {}}",
  "service: {pipelines: {traces: {receivers: [otlp, otlp/2], exporters: [nop]}}}",
  "",
].join("\n");

interface Row {
  readonly name: string;
  readonly config: string;
  /** Default: text/yaml. */
  readonly contentType?: string;
  /** How Muster says that it failed. */
  readonly state: RegExp;
  readonly error: RegExp;
  readonly fleet?: Partial<FleetOptions>;
  readonly misbehaviour?: Misbehaviour;
}

const rows: readonly Row[] = [
  {
    name: "invalid YAML, of a type that nobody parses before: FAILED, and the next start would be its last",
    config: "receivers: [",
    contentType: "text/plain",
    state: /^failed$/,
    error: /yaml/,
  },
  {
    name: "an unknown component: FAILED, and the Collector crashes for ever",
    config: UNKNOWN,
    state: /^failed$/,
    error: /exited unexpectedly/,
  },
  {
    name: "a port in use: FAILED, and the Collector crashes for ever",
    config: PORT_TWICE,
    state: /^failed$/,
    error: /exited unexpectedly/,
  },
  {
    name: "a validator that says no: FAILED, the old Collector runs on, the bad config is stored",
    config: UNKNOWN,
    state: /^failed$/,
    error: /nonsense/,
    fleet: { validates: true },
  },
  {
    name: "a config too slow to start: FAILED after the apply timeout",
    config: withResource("simulator.start_ms: 2000"),
    state: /^failed$/,
    error: /timeout exceeded/,
  },
  {
    name: "APPLIED, and then it crashes again and again",
    config: withResource("simulator.crash_after_ms: 600"),
    state: /^unhealthy$/,
    error: /./,
  },
  {
    name: "a supervisor that goes back by itself",
    config: UNKNOWN,
    // It may be offered what it had before it went back to that.
    state: /^(self_rolled_back|failed)$/,
    error: /exited unexpectedly/,
    fleet: { profile: "supervisor-rollback" },
  },
  {
    name: "no status at all, only health and effective config",
    config: UNKNOWN,
    state: /^timed_out$/,
    error: /neither its effective config nor its health/,
    fleet: { reportsRemoteConfig: false },
  },
  {
    name: "a silent agent",
    config: withResource("quiet: true"),
    state: /^timed_out$/,
    error: /no answer/,
    misbehaviour: { kind: "stall" },
  },
];

describe("a config that fails an agent that", () => {
  for (const [i, row] of rows.entries()) {
    it(row.name, async () => {
      const kind = `row${i}`;
      const fleet = await world.fleet({
        count: 1,
        firstIndex: 100 + i,
        ...QUICK,
        ...row.fleet,
        attributes: () => [
          ["service.name", "collector"],
          ["kind", kind],
        ],
      });
      const [agent] = fleet.agents;
      assert.ok(agent !== undefined);
      await untilListed(world.operator, 1, `kind=${kind},connected=true`);
      const good = await publish(world.operator, kind, `kind=${kind}`);
      await roll(kind, 1n, true);
      const running = await view(agent.uid);
      assert.equal(running.desiredConfig?.hash, good);
      const bad = await publishAgain(world.operator, kind, row.config, row.contentType);
      if (row.misbehaviour !== undefined) agent.misbehave(row.misbehaviour);
      const rolloutId = await roll(kind, 2n, false);
      const failed = (rollout: Rollout): boolean => rollout.failures.length > 0;
      const paused = await untilRollout(world.operator, rolloutId, "the failure", failed);
      assert.equal(paused.phase, RolloutPhase.PAUSED);
      if (row.misbehaviour?.kind === "stall") agent.misbehave(undefined);
      const restored = await untilRestored(agent.uid, good, rolloutId);
      const { rollout } = await world.operator.rollouts.getRollout({ rolloutId });
      const [failure] = rollout?.failures ?? [];
      assert.ok(failure !== undefined);
      assert.match(failure.state, row.state, failure.errorMessage);
      assert.match(failure.errorMessage, row.error);
      assert.equal(restored.desiredConfig?.excluded[0]?.hash, bad);
      await assertSafe(agent, good);
      assert.ok(offersTo(agent).filter((hash) => hash === bad).length <= 1, "offered once");
    });
  }
});

interface GoodRow {
  readonly name: string;
  /** What is published second, after the good config; default: a change of it. */
  readonly files?: readonly (readonly [name: string, body: string])[];
  readonly fleet?: Partial<FleetOptions>;
  readonly misbehaviour?: Misbehaviour;
  /** Something that happens while the stage bakes. */
  readonly meanwhile?: (agent: Fleet["agents"][number]) => unknown;
  readonly offers: number;
}

const CHANGED = withResource("changed: true");
const [HEAD = "", ...REST] = GOOD_CONFIG.split("\n");
const goodRows: readonly GoodRow[] = [
  { name: "a change: APPLYING with the old effective config, a restart, APPLIED", offers: 1 },
  {
    name: "the same content in other files: APPLIED at once, without a restart",
    files: [
      ["a.yaml", `${HEAD}\n`],
      ["b.yaml", REST.join("\n")],
    ],
    offers: 1,
  },
  {
    name: "no status at all: health and effective config are the verdict",
    fleet: { reportsRemoteConfig: false },
    offers: 1,
  },
  {
    name: "no status at all, and a change of a comment alone: what the agent shows already counts",
    fleet: { reportsRemoteConfig: false },
    files: [["collector.yaml", `# Why it is so.\n${GOOD_CONFIG}`]],
    offers: 1,
  },
  {
    name: "a machine that dies while APPLYING and says so for ever: the same offer once more frees it",
    misbehaviour: { kind: "die-after-offer", comeBackAfterMs: 200 },
    offers: 2,
  },
  {
    name: "a Collector that is killed outside of an apply and is well again soon",
    meanwhile: (agent) => agent.killCollector(),
    offers: 1,
  },
  {
    name: "a restart command: no status, health false and then true",
    meanwhile: ({ uid }) => world.operator.agents.restartAgent({ instanceUid: uid }),
    offers: 1,
  },
];

describe("a config that is good for an agent that does", () => {
  for (const [i, row] of goodRows.entries()) {
    it(row.name, async () => {
      const kind = `good${i}`;
      const attributes = () => [["kind", kind]] as const;
      const fleet = await world.fleet({ count: 1, firstIndex: 300 + i, ...QUICK, ...row.fleet, attributes });
      const [agent] = fleet.agents;
      assert.ok(agent !== undefined);
      await untilListed(world.operator, 1, `kind=${kind},connected=true`);
      await publish(world.operator, kind, `kind=${kind}`);
      await roll(kind, 1n, true);
      const files = row.files ?? [["collector.yaml", CHANGED]];
      const { revision } = await world.operator.configs.publishRevision({
        configId: kind,
        files: files.map(([name, body]) => ({ name, contentType: "text/yaml", body: Buffer.from(body) })),
      });
      if (row.misbehaviour !== undefined) agent.misbehave(row.misbehaviour);
      const rolloutId = await roll(kind, 2n, false);
      await untilRollout(world.operator, rolloutId, "the agent well with it", ({ counts }) => counts?.verified === 1n);
      await row.meanwhile?.(agent);
      const { failures } = await untilSucceeded(world.operator, rolloutId);
      assert.deepEqual(failures, []);
      const { desiredConfig, health } = await view(agent.uid);
      assert.deepEqual([desiredConfig?.hash, health?.healthy], [revision?.hash, true]);
      assert.equal(offersTo(agent).filter((hash) => hash === revision?.hash).length, row.offers);
    });
  }
});

it("ends with the last of three configs that were offered within milliseconds, and holds none of them against the agent", async () => {
  const attributes = () => [["kind", "three"]] as const;
  const fleet = await world.fleet({ count: 1, firstIndex: 400, ...QUICK, attributes });
  const [agent] = fleet.agents;
  assert.ok(agent !== undefined);
  await untilListed(world.operator, 1, "kind=three,connected=true");
  await publish(world.operator, "three", "kind=three");
  await roll("three", 1n, true);
  const hashes = [];
  for (const n of [2, 3, 4]) hashes.push(await publishAgain(world.operator, "three", withResource(`n: ${n}`)));
  const none = { seconds: 0n, nanos: 0 };
  const stages = [{ size: { case: "percent", value: 100 } as const, bake: none }];
  const settings = { timing: { soak: none, finalBake: none }, onConflict: ConflictPolicy.SUPERSEDE };
  const ids: string[] = [];
  for (const revision of [2n, 3n, 4n]) {
    const { rollout } = await world.operator.rollouts.startRollout({ configId: "three", revision, stages, settings });
    ids.push(rollout?.rolloutId ?? "");
  }
  await untilSucceeded(world.operator, ids.at(-1) ?? "");
  const { desiredConfig, health } = await view(agent.uid);
  assert.deepEqual([desiredConfig?.hash, health?.healthy], [hashes.at(-1), true]);
  assert.equal(agent.state().running.hash, hashes.at(-1));
  for (const rolloutId of ids) {
    const { rollout } = await world.operator.rollouts.getRollout({ rolloutId });
    assert.deepEqual(rollout?.failures, []);
  }
  for (const hash of hashes) assert.ok(offersTo(agent).filter((each) => each === hash).length <= 1, "offered once");
});

it("gives an agent that its first config fails a file without content, on which it runs what it came with", async () => {
  const attributes = () => [["kind", "first"]] as const;
  const fleet = await world.fleet({ count: 1, firstIndex: 200, ...QUICK, attributes });
  const [agent] = fleet.agents;
  assert.ok(agent !== undefined);
  await untilListed(world.operator, 1, "kind=first,connected=true");
  const bad = await publish(world.operator, "first", "kind=first", UNKNOWN);
  const rolloutId = await roll("first", 1n, false);
  await untilRollout(world.operator, rolloutId, "the agent on a blank config", ({ counts }) => counts?.restored === 1n);
  const { desiredConfig, health } = await view(agent.uid);
  assert.deepEqual([desiredConfig?.contributions.length, health?.healthy], [0, true]);
  assert.notEqual(desiredConfig?.hash, bad);
  assert.deepEqual(offersTo(agent), [bad, desiredConfig?.hash]);
});

async function roll(configId: string, revision: bigint, succeeds: boolean): Promise<string> {
  const { rollout } = await startNow(world.operator, {
    configId,
    revision,
    applyTimeout: { seconds: 10n, nanos: 0 },
    // Long enough for what is applied and breaks after that.
    stages: [{ size: { case: "percent", value: 100 }, bake: { seconds: succeeds ? 0n : 5n, nanos: 0 } }],
  });
  assert.ok(rollout !== undefined);
  if (succeeds) await untilSucceeded(world.operator, rollout.rolloutId);
  return rollout.rolloutId;
}

async function view(instanceUid: string): Promise<Agent> {
  const { agent } = await world.operator.agents.getAgent({ instanceUid });
  assert.ok(agent !== undefined);
  return agent;
}

/** Waits until the agent runs the good config again: desired, healthy, shown, and the rollout says so. */
async function untilRestored(uid: string, good: string, rolloutId: string): Promise<Agent> {
  const isRestored = ({ counts }: Rollout): boolean => counts?.restored === 1n;
  await untilRollout(world.operator, rolloutId, "the agent that has what it had before", isRestored);
  const agent = await view(uid);
  assert.equal(agent.desiredConfig?.hash, good);
  assert.equal(agent.health?.healthy, true);
  assert.equal(agent.desiredConfig?.excluded[0]?.rolloutId, rolloutId);
  return agent;
}

/** Its machine dies and comes back: what it has stored is what it was given back, or it would be lost or crash for ever. */
async function assertSafe(agent: Fleet["agents"][number], good: string): Promise<void> {
  await agent.restart({ graceful: false });
  const what = "the agent well again on what it was given back";
  await until(
    () => {
      const { connected, collector, health, running } = agent.state();
      return connected && collector === "running" && health.healthy && running.hash === good;
    },
    { timeoutMs: 10_000, what },
  );
}
