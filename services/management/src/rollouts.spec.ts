import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { parseRolloutId, type RolloutStatus } from "@muster/fleet";
import { RolloutPhase, type WatchRolloutResponse } from "@muster/protocol/muster/rollouts";
import { BadRequestSchema, ErrorInfoSchema, PreconditionFailureSchema } from "@muster/protocol/rpc/error_details";
import { until } from "@muster/testkit";
import { failureOf, next, type SpecApi, startApi } from "./spec-api.ts";

const rolloutIn = ({ event }: WatchRolloutResponse) => (event.case === "rollout" ? event.value : undefined);

describe("RolloutService", () => {
  let api: SpecApi;
  let count = 0;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  /** A config with one revision, and a rollout of it. */
  async function started() {
    const configId = `config-${++count}`;
    await api.configs.createConfig({ configId, selector: "env=prod", order: 7 });
    await api.configs.publishRevision({ configId, files: [{ name: "a.yaml", body: Buffer.from("a: 1") }] });
    const { rollout } = await api.rollouts.startRollout({ configId, reason: "why" });
    return { configId, id: parseRolloutId(rollout?.rolloutId ?? "") };
  }

  /** What a worker would write. */
  async function commit(id: ReturnType<typeof parseRolloutId>, change: Partial<RolloutStatus>): Promise<void> {
    const stored = (await api.store.rollouts.get(id)) ?? assert.fail("no rollout");
    const status = { ...stored.status, observedGeneration: stored.spec.generation, ...change };
    assert.equal(await api.store.rollouts.commit(stored, { status, wave: [], decisions: [] }), "committed");
  }

  it("starts the latest revision for everybody, pins what the config said, and asks a worker to look", async () => {
    const { configId, id } = await started();
    const { rollout } = await api.rollouts.getRollout({ rolloutId: id });
    assert.deepEqual(
      [rollout?.configId, rollout?.revision, rollout?.selector, rollout?.startReason, rollout?.generation],
      [configId, 1n, "env=prod", "why", 1n],
    );
    assert.deepEqual(
      rollout?.stages.map((stage) => stage.stage?.size),
      [{ case: "percent", value: 100 }],
    );
    assert.equal(rollout?.applyTimeout?.seconds, 300n);
    assert.ok(api.asked.includes(id));
    assert.equal((await api.store.rollouts.get(id))?.spec.order, 7);
    assert.equal((await api.configs.getConfig({ configId })).config?.activeRolloutId, id);
  });

  it("refuses a second one on the same config, naming the first", async () => {
    const { configId, id } = await started();
    for (const validateOnly of [false, true]) {
      const error = await failureOf(api.rollouts.startRollout({ configId, validateOnly }));
      assert.equal(error.code, Code.FailedPrecondition);
      assert.match(error.rawMessage, new RegExp(id));
      assert.equal(error.findDetails(PreconditionFailureSchema)[0]?.violations[0]?.type, "ROLLOUT_ACTIVE");
    }
  });

  it("refuses revisions that do not exist and configs that do not", async () => {
    await api.configs.createConfig({ configId: "empty" });
    const none = await failureOf(api.rollouts.startRollout({ configId: "empty" }));
    assert.equal(none.code, Code.FailedPrecondition);
    assert.match(none.rawMessage, /has no revision yet; publish one first/);
    const { configId } = await started();
    const wrong = await failureOf(api.rollouts.startRollout({ configId, revision: 9n }));
    assert.match(wrong.rawMessage, /no revision 9; its latest is 1/);
    assert.equal((await failureOf(api.rollouts.startRollout({ configId: "nowhere" }))).code, Code.NotFound);
  });

  it("refuses to wait for a rollout that is not there", async () => {
    await api.configs.createConfig({ configId: "dependent" });
    await api.configs.publishRevision({
      configId: "dependent",
      files: [{ name: "a.yaml", body: Buffer.from("a: 1") }],
    });
    const waitingFor = (rolloutId: string) => ({
      configId: "dependent",
      validateOnly: true,
      stages: [
        {
          size: { case: "percent" as const, value: 100 },
          gates: [{ name: "first", gate: { case: "dependency" as const, value: { rolloutId } } }],
        },
      ],
    });
    const error = await failureOf(api.rollouts.startRollout(waitingFor("01890a5d-0000-7000-8000-00000000dead")));
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.rawMessage, /stages\[0\]\.gates\[0\]\.dependency\.rollout_id.*there is no rollout/);
    await api.configs.createConfig({ configId: "first" });
    await api.configs.publishRevision({ configId: "first", files: [{ name: "a.yaml", body: Buffer.from("a: 1") }] });
    const { rollout } = await api.rollouts.startRollout({ configId: "first" });
    await api.rollouts.startRollout(waitingFor(rollout?.rolloutId ?? ""));
  });

  it("lists everything that is wrong with a request", async () => {
    const error = await failureOf(
      api.rollouts.startRollout({
        configId: "-",
        revision: -1n,
        stages: [{ size: { case: "percent", value: 0 } }],
        applyTimeout: { seconds: 1n },
      }),
    );
    const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
    assert.deepEqual(
      fieldViolations.map((v) => v.field),
      ["config_id", "revision", "apply_timeout", "stages[0].percent"],
    );
  });

  it("starts once however often the request is repeated, and never to validate", async () => {
    await api.configs.createConfig({ configId: "once" });
    await api.configs.publishRevision({ configId: "once", files: [{ name: "a.yaml", body: Buffer.from("a: 1") }] });
    const dry = await api.rollouts.startRollout({ configId: "once", validateOnly: true });
    assert.equal(dry.rollout?.phase, RolloutPhase.DRAFT);
    const start = () => api.rollouts.startRollout({ configId: "once", requestId: "r1" });
    const [first, second] = [await start(), await start()];
    assert.equal(first.rollout?.rolloutId, second.rollout?.rolloutId);
    assert.notEqual(first.rollout?.rolloutId, dry.rollout?.rolloutId);
  });

  it("records pause, resume and abort as generations, and refuses what makes no sense", async () => {
    const { id: rolloutId } = await started();
    await commit(rolloutId, { phase: "running", startedAtMs: 1 });
    const resume = await failureOf(api.rollouts.resumeRollout({ rolloutId }));
    assert.equal(resume.code, Code.FailedPrecondition);
    assert.equal(resume.findDetails(ErrorInfoSchema)[0]?.metadata["verbs"], "pause,abort,retry,promote,approve");
    const paused = await api.rollouts.pauseRollout({ rolloutId, reason: "lunch" });
    assert.equal(paused.rollout?.generation, 2n);
    await commit(rolloutId, { phase: "paused", reason: "manual" });
    assert.equal((await failureOf(api.rollouts.pauseRollout({ rolloutId }))).code, Code.FailedPrecondition);
    assert.equal((await api.rollouts.resumeRollout({ rolloutId })).rollout?.generation, 3n);
    assert.equal((await api.rollouts.abortRollout({ rolloutId })).rollout?.generation, 4n);
    await commit(rolloutId, { phase: "halted", reason: "aborted", endedAtMs: 1 });
    const ended = await failureOf(api.rollouts.abortRollout({ rolloutId }));
    assert.match(ended.rawMessage, /is halted and cannot be aborted; nothing more/);
    const { spec } = (await api.store.rollouts.get(rolloutId)) ?? assert.fail("no rollout");
    assert.deepEqual([spec.wish, spec.generation], ["abort", 4]);
  });

  it("lets one of two operators win who pause at once", async () => {
    const { id: rolloutId } = await started();
    await commit(rolloutId, { phase: "running", startedAtMs: 1 });
    const pauses = [api.rollouts.pauseRollout({ rolloutId }), api.rollouts.pauseRollout({ rolloutId })];
    const outcomes = await Promise.allSettled(pauses);
    assert.deepEqual(outcomes.map((outcome) => outcome.status).sort(), ["fulfilled", "rejected"]);
    assert.equal((await api.store.rollouts.get(rolloutId))?.spec.generation, 2);
  });

  it("watches until the rollout has ended", async () => {
    const { id: rolloutId } = await started();
    await commit(rolloutId, { phase: "running", startedAtMs: 1 });
    const stream = api.rollouts.watchRollout({ rolloutId })[Symbol.asyncIterator]();
    assert.equal((await next(stream, rolloutIn)).phase, RolloutPhase.RUNNING);
    await commit(rolloutId, { message: "half way" });
    assert.equal((await next(stream, rolloutIn)).message, "half way");
    await commit(rolloutId, { phase: "succeeded", reason: "completed", endedAtMs: 1, isSettled: true });
    assert.equal((await next(stream, rolloutIn)).phase, RolloutPhase.SUCCEEDED);
    assert.equal((await stream.next()).done, true);
    const late = api.rollouts.watchRollout({ rolloutId })[Symbol.asyncIterator]();
    assert.equal((await next(late, rolloutIn)).phase, RolloutPhase.SUCCEEDED);
    assert.equal((await late.next()).done, true);
  });

  it("does not watch what is not there", async () => {
    const nowhere = "01890a5d-0000-7000-8000-00000000ffff";
    const stream = api.rollouts.watchRollout({ rolloutId: nowhere })[Symbol.asyncIterator]();
    assert.equal((await failureOf(stream.next())).code, Code.NotFound);
  });

  it("lists newest first, of one config or of all", async () => {
    const { configId, id } = await started();
    const { rollouts } = await api.rollouts.listRollouts({ pageSize: 2 });
    assert.equal(rollouts[0]?.rolloutId, id);
    assert.ok((rollouts[0]?.rolloutId ?? "") > (rollouts[1]?.rolloutId ?? ""));
    const ofOne = await api.rollouts.listRollouts({ configId });
    assert.deepEqual(
      ofOne.rollouts.map((each) => each.rolloutId),
      [id],
    );
  });

  it("asks a worker after every wish", async () => {
    const { id: rolloutId } = await started();
    await commit(rolloutId, { phase: "running", startedAtMs: 1 });
    await api.rollouts.pauseRollout({ rolloutId });
    await until(() => api.asked.filter((asked) => asked === rolloutId).length === 2, { what: "two requests" });
  });

  it("steers a rollout only as it was seen, and only when it is meant", async () => {
    const { id: rolloutId } = await started();
    const stale = await failureOf(api.rollouts.abortRollout({ rolloutId, expectedGeneration: 9n }));
    assert.equal(stale.code, Code.Aborted);
    assert.match(stale.rawMessage, /generation 1, not 9/);
    const would = await api.rollouts.abortRollout({ rolloutId, validateOnly: true, expectedGeneration: 1n });
    assert.equal(would.rollout?.generation, 2n);
    assert.equal((await api.rollouts.getRollout({ rolloutId })).rollout?.generation, 1n);
    await api.rollouts.abortRollout({ rolloutId, expectedGeneration: 1n });
    assert.equal((await api.rollouts.getRollout({ rolloutId })).rollout?.generation, 2n);
  });
});
