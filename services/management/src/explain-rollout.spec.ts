import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Decision, parseRolloutId, type RolloutId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

describe("what is told of a rollout", () => {
  let api: SpecApi;
  let id: RolloutId;
  const [good, failed] = [aUid(1), aUid(2)];

  before(async () => {
    api = await startApi();
    await api.configs.createConfig({ configId: "base", selector: "env=prod" });
    await api.configs.publishRevision({ configId: "base", files: [{ name: "a.yaml", body: Buffer.from("a: 1") }] });
    const capabilities = ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig"];
    for (const n of [1, 2, 3]) await storeAgent(api.store, n, { labels: { env: "prod" }, capabilities });
    const { rollout } = await api.rollouts.startRollout({ configId: "base" });
    id = parseRolloutId(rollout?.rolloutId ?? "");
    await runAsWorkersDo();
  });
  after(() => api.stop());

  /** One stage for everybody; one agent applied the config, one failed it, the third has not been offered it yet. */
  async function runAsWorkersDo(): Promise<void> {
    const stored = (await api.store.rollouts.get(id)) ?? assert.fail("no rollout");
    const { spec } = stored;
    const stages = stored.status.stages.map(
      (stage) => ({ ...stage, state: "converging", cutoff: "~", size: 3, startedAtMs: 1 }) as const,
    );
    const status = {
      ...stored.status,
      phase: "running",
      reason: "stage_started",
      message: "Stage 1 began.",
      startedAtMs: 1,
      stages,
    } as const;
    const at = (kind: Decision["kind"], message: string, agents: Decision["agents"] = []): Decision => {
      return {
        atMs: 5,
        kind,
        phase: "running",
        reason: "stage_started",
        message,
        stage: 0,
        agents,
        inputs: { size: 3 },
      };
    };
    const decisions = [at("phase", "Began."), at("stage", "Stage 1 began."), at("agent", "It failed.", [failed])];
    assert.equal(await api.store.rollouts.commit(stored, { status, wave: [], decisions }), "committed");
    const { configId, revision, hash, order } = spec;
    const contributions = [{ configId, revision, hash, order, rolloutId: id }];
    const writes = [good, failed].map((uid) => ({ uid, desired: { hash, contributions } }));
    await api.store.desired.assign(writes, 1, spec.createdAtMs);
    for (const [uid, state] of [
      [good, "applied"],
      [failed, "failed"],
    ] as const) {
      const head = { uid, epoch: 1, atMs: spec.createdAtMs + 10, hash };
      await api.store.agents.project(uid, [
        { kind: "agent.config-offered", ...head, n: 8 },
        {
          kind: "agent.config-acknowledged",
          ...head,
          n: 9,
          state,
          error: state === "failed" ? "no such receiver" : "",
        },
      ]);
    }
  }

  it("lists its agents with what each is doing", async () => {
    const { agents } = await api.rollouts.listRolloutAgents({ rolloutId: id });
    assert.deepEqual(
      agents.map(({ instanceUid, state, stage }) => [instanceUid, state, stage]),
      [
        [good, "applied_unverified", 0],
        [failed, "failed", 0],
        [aUid(3), "assigned", 0],
      ],
    );
    assert.equal(agents[1]?.errorMessage, "no such receiver");
  });

  it("lists those in some states, page by page", async () => {
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await api.rollouts.listRolloutAgents({
        rolloutId: id,
        states: ["failed", "assigned"],
        pageSize: 1,
        pageToken,
      });
      seen.push(...page.agents.map(({ state }) => state));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    assert.deepEqual(seen, ["failed", "assigned"]);
    assert.match(
      (await failureOf(api.rollouts.listRolloutAgents({ rolloutId: id, states: ["sad"] }))).rawMessage,
      /"sad" is none of/,
    );
  });

  it("lists those that it is for no more where they belong, and tells when that was", async () => {
    const gone = aUid(50);
    await api.store.rollouts.remove(id, [gone, good], 9_000);
    const all = await api.rollouts.listRolloutAgents({ rolloutId: id });
    assert.deepEqual(
      all.agents.map(({ instanceUid, state }) => [instanceUid, state]),
      [
        [good, "applied_unverified"], // it is back
        [failed, "failed"],
        [aUid(3), "assigned"],
        [gone, "removed"],
      ],
    );
    const { agents } = await api.rollouts.listRolloutAgents({ rolloutId: id, states: ["removed"] });
    assert.deepEqual(
      agents.map(({ instanceUid }) => instanceUid),
      [gone],
    );
    const { agent, events } = await api.rollouts.explainRollout({ rolloutId: id, instanceUid: gone });
    assert.deepEqual([agent?.state, events.at(-1)?.reason, events.at(-1)?.time?.seconds], ["removed", "removed", 9n]);
  });

  it("tells all that was decided, in order and page by page, with the figures", async () => {
    const first = await api.rollouts.explainRollout({ rolloutId: id, pageSize: 2 });
    assert.match(first.summary, /^The rollout is running: Stage 1 began/);
    assert.deepEqual(
      first.events.map(({ message }) => message),
      ["Began.", "Stage 1 began."],
    );
    assert.deepEqual(first.events[0]?.inputs, { size: "3" });
    const rest = await api.rollouts.explainRollout({ rolloutId: id, pageToken: first.nextPageToken });
    assert.deepEqual(
      rest.events.map(({ message }) => message),
      ["It failed."],
    );
    assert.equal(rest.nextPageToken, "");
  });

  it("tells what happened to one agent, what it said among it", async () => {
    const { summary, events, agent } = await api.rollouts.explainRollout({ rolloutId: id, instanceUid: failed });
    assert.match(
      summary,
      /is in state failed: It said that it failed\. Stage 1 of 1 reached it\. It failed: no such receiver/,
    );
    assert.equal(agent?.state, "failed");
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ["phase", "stage", "agent", "phase", "offer", "answer"],
    );
    assert.match(events.at(-1)?.message ?? "", /It said FAILED: no such receiver/);
    const other = await api.rollouts.explainRollout({ rolloutId: id, instanceUid: good });
    assert.ok(
      other.events.every(({ message }) => message !== "It failed."),
      "what concerns another agent is not told",
    );
    const nobody = await api.rollouts.explainRollout({ rolloutId: id, instanceUid: aUid(99) });
    assert.deepEqual([nobody.agent?.state, nobody.events.length], ["removed", 0]);
  });

  it("holds it against nobody that it is dark in a storm, as the workers do not", async () => {
    const stored = (await api.store.rollouts.get(id)) ?? assert.fail("no rollout");
    const longAgoMs = stored.spec.createdAtMs - 3_600_000;
    await api.store.agents.project(good, [
      { kind: "agent.disconnected", uid: good, epoch: 1, n: 20, atMs: longAgoMs, reason: "closed" },
    ]);
    const explain = () => api.rollouts.explainRollout({ rolloutId: id, instanceUid: good });
    const alone = await explain();
    assert.equal(alone.agent?.failure, "went_dark");
    assert.match(alone.summary, /It went dark: it went dark after it said applied\.$/);
    const storms = [{ name: "fleet", darkCount: 3, totalCount: 3 }];
    const next = { status: { ...stored.status, storms }, wave: [], decisions: [] };
    assert.equal(await api.store.rollouts.commit(stored, next), "committed");
    const inStorm = await explain();
    assert.deepEqual([inStorm.agent?.state, inStorm.agent?.failure], ["went_dark", ""]);
    assert.match(inStorm.summary, /reached it\.$/);
  });
});
