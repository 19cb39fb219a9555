import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Decision,
  EVERYONE,
  FleetError,
  parseConfigId,
  parseRolloutId,
  type RolloutSpec,
  type RolloutStatus,
} from "@muster/fleet";
import { aHash, aRollout, aUid, stages } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import { type Commit, MAX_LOG_LINES, type StoredRollout } from "./rollouts.ts";
import { useStore } from "./spec-store.ts";

const anId = (n: number) => parseRolloutId(`01890a5d-0000-7000-8000-${String(n).padStart(12, "0")}`);
const aSpec = (n = 1, rest: Partial<RolloutSpec> = {}) => aRollout(stages(10, 100), { id: anId(n), ...rest });
const BASE = parseConfigId("base");

/** A status whose first stage reaches agents up to a rank. */
const reaching = ({ status }: StoredRollout, cutoff: string): RolloutStatus => ({
  ...status,
  phase: "running",
  startedAtMs: 5,
  stages: status.stages.map((stage, i) => (i === 0 ? { ...stage, cutoff } : stage)),
});
const ended = (phase: RolloutStatus["phase"]): Partial<RolloutStatus> => ({
  phase,
  startedAtMs: 5,
  endedAtMs: 9,
  isSettled: true,
});
const aDecision = (phase: Decision["phase"], reason: Decision["reason"], message = "because"): Decision => {
  return { atMs: 7, kind: "phase", phase, reason, message, stage: 0, agents: [], inputs: {} };
};

describe("rollouts", () => {
  const spec = useStore();
  const rollouts = () => spec.store.rollouts;
  const stable = async () => (await spec.redis.hget("muster:{ctl}:config:base:status", "stable")) ?? null;
  const commit = async (
    of: StoredRollout,
    next: Partial<RolloutStatus>,
    rest: Partial<Commit> = {},
  ): Promise<StoredRollout> => {
    const outcome = await rollouts().commit(of, {
      status: { ...of.status, ...next },
      wave: [],
      decisions: [],
      ...rest,
    });
    assert.equal(outcome, "committed");
    return (await rollouts().get(of.spec.id)) ?? assert.fail("it is gone");
  };
  const layers = async () => (await spec.store.desired.assignments()).list[0]?.layers ?? [];

  it("starts a rollout as a draft and reads it back", async () => {
    const started = await rollouts().start(aSpec(), "");
    assert.deepEqual([started.spec, started.status.phase, started.version], [aSpec(), "draft", 1]);
    assert.deepEqual(started.wave, []);
    assert.deepEqual(await rollouts().get(aSpec().id), started);
    assert.deepEqual(await rollouts().active(), [aSpec().id]);
    assert.equal(await rollouts().holder(BASE), anId(1));
    assert.equal(await rollouts().get(anId(2)), undefined);
  });

  it("refuses another on the same config, and says which is at work", async () => {
    await rollouts().start(aSpec(1), "");
    await assert.rejects(rollouts().start(aSpec(2), ""), (error) => {
      assert.ok(error instanceof FleetError && error.reason === "ROLLOUT_ACTIVE");
      assert.equal(error.details["rollout_id"], anId(1));
      return true;
    });
    assert.equal(await rollouts().get(anId(2)), undefined);
    await rollouts().start(aSpec(3, { configId: parseConfigId("other") }), "");
    assert.deepEqual([...(await rollouts().active())].sort(), [anId(1), anId(3)]);
  });

  for (const onConflict of ["queue", "supersede"] as const) {
    it(`starts another on the same config that may ${onConflict}, without the config`, async () => {
      await rollouts().start(aSpec(1), "");
      await rollouts().start(aSpec(2, { onConflict }), "");
      assert.equal(await rollouts().holder(BASE), anId(1));
      assert.deepEqual([...(await rollouts().active())].sort(), [anId(1), anId(2)]);
    });
  }

  it("lets one that waited claim the config only once the first left it", async () => {
    const first = await rollouts().start(aSpec(1), "");
    const second = await rollouts().start(aSpec(2, { onConflict: "queue" }), "");
    const begins = { status: reaching(second, "4"), wave: [], decisions: [aDecision("running", "started")] };
    assert.equal(await rollouts().commit(second, begins), "busy");
    assert.deepEqual(await rollouts().log(anId(2), 0, 10), []);
    await commit(first, ended("halted"));
    assert.equal(await rollouts().holder(BASE), null);
    assert.equal(await rollouts().commit(second, begins), "committed");
    assert.equal(await rollouts().holder(BASE), anId(2));
  });

  it("answers the repeat of a request with the rollout that it started", async () => {
    const started = await rollouts().start(aSpec(1), "request-1");
    assert.deepEqual(await rollouts().start(aSpec(2), "request-1"), started);
  });

  it("starts one of many that are asked for at once", async () => {
    const tries = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => rollouts().start(aSpec(i), "")));
    assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await rollouts().active()).length, 1);
  });

  it("lets one of two workers commit", async () => {
    const other = await spec.open();
    const started = await rollouts().start(aSpec(), "");
    const [a, b] = [reaching(started, "4"), reaching(started, "8")];
    const rest = { wave: [], decisions: [aDecision("running", "started")] };
    const outcomes = await Promise.all([
      rollouts().commit(started, { status: a, ...rest }),
      other.rollouts.commit(started, { status: b, ...rest }),
    ]);
    assert.deepEqual([...outcomes].sort(), ["committed", "conflict"]);
    const winner = outcomes[0] === "committed" ? a : b;
    assert.deepEqual((await rollouts().get(aSpec().id))?.status, winner);
    assert.deepEqual((await layers())[0]?.reach[0]?.cutoff, winner.stages[0]?.cutoff);
    assert.equal((await rollouts().log(anId(1), 0, 10)).length, 1, "the other leaves no trace");
  });

  it("lets one of two rollouts of different configs take agents that both looked for in one moment", async () => {
    const one = await commit(await rollouts().start(aSpec(1), ""), { phase: "running", isPaced: true, startedAtMs: 1 });
    const other = await rollouts().start({ ...aSpec(2), configId: parseConfigId("edge") }, "");
    const two = await commit(other, { phase: "running", isPaced: true, startedAtMs: 1 });
    const seen = await rollouts().admissionCount();
    const taking = (of: StoredRollout) => ({ status: of.status, wave: [{ uid: aUid(), tries: 1 }], decisions: [] });
    const outcomes = await Promise.all([one, two].map((of) => rollouts().commit(of, taking(of), seen)));
    assert.deepEqual([...outcomes].sort(), ["committed", "conflict"]);
    assert.equal(await rollouts().admissionCount(), seen + 1);
    const loser = outcomes[0] === "conflict" ? one : two;
    const idle = { status: loser.status, wave: [], decisions: [] };
    assert.equal(await rollouts().commit(loser, idle, seen), "committed", "who takes nobody is in nobody's way");
  });

  it("counts it as taking agents where a rollout leaves all of a stage to whoever assigns", async () => {
    const started = await rollouts().start(aSpec(), "");
    const seen = await rollouts().admissionCount();
    const open = { status: reaching(started, "4"), wave: [], decisions: [] };
    assert.equal(await rollouts().commit(started, open, seen + 1), "conflict");
    assert.equal(await rollouts().commit(started, open, seen), "committed");
    assert.equal(await rollouts().admissionCount(), seen + 1);
  });

  it("loses no layer although two rollouts of one config commit at once", async () => {
    const first = await commit(await rollouts().start(aSpec(1), ""), { ...ended("halted"), isSettled: false });
    const second = await rollouts().start(aSpec(2), "");
    const rest = { wave: [], decisions: [] };
    const outcomes = await Promise.all([
      rollouts().commit(second, { status: reaching(second, "4"), ...rest }),
      rollouts().commit(first, {
        status: reaching({ ...first, status: { ...first.status, ...ended("halted") } }, "8"),
        ...rest,
      }),
    ]);
    const won = outcomes.filter((outcome) => outcome === "committed").length;
    const versions = await Promise.all([anId(1), anId(2)].map(async (id) => (await rollouts().get(id))?.version ?? 0));
    assert.equal(
      versions.reduce((sum, version) => sum + version, 0),
      3 + won,
      "who is told that it committed did",
    );
    const ids = (await layers()).map(({ rolloutId }) => rolloutId);
    assert.ok(ids.includes(anId(1)) && (outcomes[0] !== "committed" || ids.includes(anId(2))));
  });

  it("writes the layers together with the status they follow from, and counts only their changes", async () => {
    const started = await rollouts().start(aSpec(), "");
    const first = await commit(started, reaching(started, "4"));
    const second = await commit(first, { message: "nothing moved" });
    await commit(second, reaching(second, "8"));
    assert.equal((await spec.store.desired.assignments()).version, 2);
    const [layer, ...others] = await layers();
    assert.deepEqual([layer?.mode, layer?.reach.map(({ cutoff }) => cutoff), others], ["open", ["8"], []]);
  });

  it("keeps who is admitted together with the status, for whoever assigns", async () => {
    const started = await rollouts().start(aSpec(), "");
    const wave = [{ uid: aUid(), tries: 2 }];
    await commit(started, reaching(started, "4"), { wave });
    assert.deepEqual((await rollouts().get(anId(1)))?.wave, wave);
    const waves = await rollouts().waves([anId(1), anId(2)]);
    assert.deepEqual(
      [...waves],
      [
        [anId(1), wave],
        [anId(2), []],
      ],
    );
  });

  it("keeps what agents go back to for as long as a rollout that succeeded is committed", async () => {
    await commit(await rollouts().start(aSpec(1), ""), ended("succeeded"));
    const second = await rollouts().start(aSpec(2, { revision: 3 }), "");
    const running = await commit(second, reaching(second, "4"));
    const modes = async () => (await layers()).map(({ revision, mode }) => [revision, mode]);
    assert.deepEqual(await modes(), [
      [3, "open"],
      [2, "stable"],
    ]);
    assert.equal(await stable(), "2");
    const succeeded = await commit(running, { ...ended("succeeded"), isSettled: false });
    assert.deepEqual(await modes(), [
      [3, "stable"],
      [2, "fallback"],
    ]);
    assert.equal(await stable(), "3");
    assert.ok((await rollouts().active()).includes(anId(2)), "agents are on their way still");
    await commit(succeeded, { ...ended("succeeded"), message: "the last one is through" });
    assert.deepEqual(await modes(), [
      [3, "stable"],
      [2, "fallback"],
    ]);
    assert.deepEqual(await rollouts().active(), []);
  });

  it("remembers whom a rollout failed, by the first word, until they are to be tried again", async () => {
    const { spec: started } = await rollouts().start(aSpec(1), "");
    const exclusion = { rolloutId: started.id, hash: aHash(), state: "failed", error: "first", atMs: 1 } as const;
    await rollouts().exclude(
      started.id,
      new Map([
        [aUid(1), exclusion],
        [aUid(2), exclusion],
      ]),
    );
    await rollouts().exclude(started.id, new Map([[aUid(1), { ...exclusion, error: "second" }]]));
    assert.deepEqual([...(await rollouts().exclusions(started.id))].sort(), [
      [aUid(1), exclusion],
      [aUid(2), exclusion],
    ]);
    assert.equal((await rollouts().exclusions(aSpec(2).id)).size, 0);
    await rollouts().forgive(started.id, [aUid(1)]);
    await rollouts().forgive(started.id, [aUid(1)]);
    assert.deepEqual([...(await rollouts().exclusions(started.id)).keys()], [aUid(2)]);
  });

  it("keeps the first measurement under each number", async () => {
    const reading = { stage: 0, gate: 1, n: 0, atMs: 1, outcome: "success", value: 7, message: "" } as const;
    await rollouts().record(anId(1), reading);
    await rollouts().record(anId(1), { ...reading, value: 8 });
    await rollouts().record(anId(1), { ...reading, n: 1, value: 9 });
    const values = (await rollouts().readings(anId(1))).map(({ n, value }) => [n, value]);
    assert.deepEqual(values.sort(), [
      [0, 7],
      [1, 9],
    ]);
    assert.deepEqual(await rollouts().readings(anId(2)), []);
  });

  it("keeps a bounded log, read from any line on", async () => {
    const started = await rollouts().start(aSpec(), "");
    const lines = Array.from({ length: MAX_LOG_LINES + 10 }, (_, i) => aDecision("running", "started", `${i}`));
    await commit(started, {}, { decisions: lines });
    const log = await rollouts().log(anId(1), 0, MAX_LOG_LINES + 100);
    assert.deepEqual([log.length, log[0]?.message, log.at(-1)?.message], [MAX_LOG_LINES, "10", `${MAX_LOG_LINES + 9}`]);
    assert.deepEqual(
      (await rollouts().log(anId(1), 3, 2)).map(({ message }) => message),
      ["13", "14"],
    );
  });

  it("keeps a plan for a day", async () => {
    await rollouts().savePlan("p", { stages: [1] });
    assert.deepEqual(await rollouts().loadPlan("p"), { stages: [1] });
    assert.equal(await rollouts().loadPlan("q"), null);
    assert.ok((await spec.redis.ttl("muster:{ctl}:plan:p")) > 86_000);
  });

  const quarantines: readonly {
    readonly name: string;
    readonly before: Partial<RolloutStatus>;
    readonly next: Partial<RolloutStatus>;
    readonly decisions: readonly Decision[];
    readonly reason: string | null;
  }[] = [
    {
      name: "is taken back",
      before: { phase: "running" },
      next: { phase: "rolling_back" },
      decisions: [
        aDecision("rolling_back", "aborted_back", "ann said so"),
        aDecision("rolling_back", "taking_back", "0 of 2"),
      ],
      reason: "ann said so",
    },
    {
      name: "is taken back within one pass",
      before: { phase: "running" },
      next: ended("rolled_back"),
      decisions: [
        aDecision("rolling_back", "gate", "a gate failed"),
        aDecision("rolled_back", "taken_back", "0 agents"),
      ],
      reason: "a gate failed",
    },
    {
      name: "is reverted",
      before: ended("succeeded"),
      next: { phase: "reverting", isSettled: false },
      decisions: [aDecision("reverting", "reverted", "costs")],
      reason: "costs",
    },
    {
      name: "is aborted",
      before: { phase: "running" },
      next: ended("halted"),
      decisions: [aDecision("halted", "aborted", "a hunch")],
      reason: "a hunch",
    },
    {
      name: "comes to its end time",
      before: { phase: "running" },
      next: ended("halted"),
      decisions: [aDecision("halted", "end_time")],
      reason: null,
    },
    {
      name: "is on its way back already",
      before: { phase: "rolling_back" },
      next: { phase: "rolling_back" },
      decisions: [aDecision("rolling_back", "taking_back", "1 of 2")],
      reason: null,
    },
    {
      name: "pauses",
      before: { phase: "running" },
      next: { phase: "paused" },
      decisions: [aDecision("paused", "gate")],
      reason: null,
    },
  ];
  for (const { name, before, next, decisions, reason } of quarantines) {
    it(`${reason === null ? "does not quarantine" : "quarantines"} the content of a rollout that ${name}`, async () => {
      const at = await commit(await rollouts().start(aSpec(), ""), before);
      await commit(at, next, { decisions });
      const found = await rollouts().quarantined(BASE);
      const expected = { hash: aHash(), rolloutId: anId(1), reason, atMs: at.status.updatedAtMs };
      assert.deepEqual(found, reason === null ? [] : [expected]);
    });
  }

  it("lifts the quarantine of content that succeeds", async () => {
    const first = await commit(await rollouts().start(aSpec(1), ""), { phase: "running" });
    await commit(first, ended("halted"), { decisions: [aDecision("halted", "aborted")] });
    assert.equal((await rollouts().quarantined(BASE)).length, 1);
    await commit(await rollouts().start(aSpec(2), ""), ended("succeeded"));
    assert.deepEqual(await rollouts().quarantined(BASE), []);
  });

  const ends: readonly (readonly [phase: "succeeded" | "halted" | "rolled_back", stable: string | null])[] = [
    ["succeeded", "2"],
    ["halted", null],
    ["rolled_back", null],
  ];
  for (const [phase, expected] of ends) {
    it(`releases the config when the rollout ${phase}, with stable revision ${expected}`, async () => {
      const started = await rollouts().start(aSpec(1), "");
      await commit(await commit(started, reaching(started, EVERYONE)), ended(phase));
      assert.deepEqual(await rollouts().active(), []);
      assert.equal(await stable(), expected);
      await rollouts().start(aSpec(2), "");
    });
  }

  it("keeps the config while the rollout is paused or taken back", async () => {
    const started = await rollouts().start(aSpec(1), "");
    const paused = await commit(started, { phase: "paused" });
    await assert.rejects(rollouts().start(aSpec(2), ""), FleetError);
    await commit(paused, { phase: "rolling_back" });
    await assert.rejects(rollouts().start(aSpec(2), ""), FleetError);
  });

  it("does not let a worker that was presumed dead bring an ended rollout back", async () => {
    const started = await rollouts().start(aSpec(1), "");
    await commit(started, ended("halted"));
    await rollouts().start(aSpec(2), "");
    const late = { status: reaching(started, EVERYONE), wave: [], decisions: [] };
    assert.equal(await rollouts().commit(started, late), "conflict");
    assert.deepEqual(await rollouts().active(), [anId(2)]);
  });

  it("takes the wish of one of two operators", async () => {
    const { spec: started } = await rollouts().start(aSpec(), "");
    const wishes = (["pause", "abort"] as const).map((wish) => ({ ...started, generation: 2, wish }));
    const taken = await Promise.all(wishes.map((wish) => rollouts().wish(wish)));
    assert.deepEqual([...taken].sort(), ["moved", "recorded"]);
    assert.equal((await rollouts().get(started.id))?.spec.wish, taken[0] === "recorded" ? "pause" : "abort");
  });

  it("wakes a rollout that ended with a wish, unless another has its config", async () => {
    const at = await commit(await rollouts().start(aSpec(1), ""), ended("succeeded"));
    const revert: RolloutSpec = { ...at.spec, generation: 2, wish: "revert" };
    const second = await rollouts().start(aSpec(2), "");
    assert.equal(await rollouts().wish(revert, true), "busy");
    assert.equal((await rollouts().get(anId(1)))?.spec.generation, 1);
    await commit(second, ended("halted"));
    assert.equal(await rollouts().wish(revert, true), "recorded");
    assert.equal(await rollouts().holder(BASE), anId(1));
    assert.deepEqual(await rollouts().active(), [anId(1)]);
  });

  it("makes stable again what was stable before a rollout that is reverted", async () => {
    await commit(await rollouts().start(aSpec(1), ""), ended("succeeded"));
    const second = await commit(await rollouts().start(aSpec(2, { revision: 3 }), ""), ended("succeeded"));
    await rollouts().wish({ ...second.spec, generation: 2, wish: "revert" }, true);
    await commit(second, { phase: "reverting", isSettled: false });
    assert.deepEqual(
      (await layers()).map(({ revision, mode }) => [revision, mode]),
      [
        [3, "withdrawn"],
        [2, "stable"],
      ],
    );
    assert.equal(await stable(), "2");
  });

  it("lists the newest first, of one config or of all", async () => {
    for (let n = 1; n <= 4; n++) {
      const configId = parseConfigId(n % 2 === 0 ? "even" : "odd");
      await commit(await rollouts().start(aSpec(n, { configId }), ""), ended("halted"));
    }
    const ids = async (before: string, limit: number, config?: string) =>
      (await rollouts().list(before, limit, config === undefined ? undefined : parseConfigId(config))).map(
        (rollout) => rollout.spec.id,
      );
    assert.deepEqual(await ids("", 10), [anId(4), anId(3), anId(2), anId(1)]);
    assert.deepEqual(await ids(anId(3), 1), [anId(2)]);
    assert.deepEqual(await ids("", 10, "even"), [anId(4), anId(2)]);
    assert.deepEqual(await ids(anId(4), 10, "even"), [anId(2)]);
  });

  it("knows a lost fleet state by its incarnation, and takes the first for none that was lost", async () => {
    assert.equal(await rollouts().fleetLostAtMs(), 0);
    assert.equal(await rollouts().fleetLostAtMs(), 0);
    await spec.redis.set("muster:fleet:incarnation", "12345-other");
    assert.equal(await rollouts().fleetLostAtMs(), 12_345);
    assert.equal(await (await spec.open()).rollouts.fleetLostAtMs(), 12_345);
  });

  it("tells watchers of every start, commit and wish, also after Redis was away", async () => {
    const controller = new AbortController();
    const heard: string[] = [];
    rollouts().watch((id) => heard.push(id), controller.signal);
    const isSubscribed = async () => Number((await spec.redis.pubsub("NUMSUB", "muster:rollouts"))[1]) === 1;
    await until(isSubscribed);
    const started = await rollouts().start(aSpec(1), "");
    await commit(started, reaching(started, "4"));
    await rollouts().wish({ ...started.spec, generation: 2, wish: "pause" });
    await until(() => heard.length === 3);
    await spec.redis.call("CLIENT", "KILL", "TYPE", "pubsub");
    await until(isSubscribed);
    await rollouts().start(aSpec(2, { configId: parseConfigId("other") }), "");
    await until(() => heard.at(-1) === anId(2));
    controller.abort();
    await until(async () => !(await isSubscribed()));
  });
});
