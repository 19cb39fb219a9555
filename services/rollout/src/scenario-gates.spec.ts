// Gates of stages, over a real Redis: metrics of an HTTP server that stands for Prometheus, signed webhooks, health, and
// other rollouts.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, beforeEach, describe, it } from "node:test";
import {
  DEFAULT_TIMING,
  type Gate,
  type MetricGate,
  parseConfigId,
  type RolloutSpec,
  type WebhookGate,
} from "@muster/fleet";
import { aUid, stages } from "@muster/fleet/builders";
import { type Asked, type Served, serve } from "./fixtures/serve.ts";
import { createPrometheus } from "./prometheus.ts";
import { HOUR, MINUTE, rolloutId, SECOND } from "./scenario-ids.ts";
import { aFleet, NEW, NO_BUDGET, runningBy, useWorlds } from "./scenario-spec.ts";
import { once } from "./scenario-work.ts";
import type { ScenarioWorld } from "./scenario-world.ts";
import { createWebhook } from "./webhook.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const RECEIVED: MetricGate = {
  kind: "metric",
  name: "data arrives",
  provider: "prometheus",
  query: 'sum(rate(received_total{service_instance_id=~"$agents"}[5m]))',
  initialDelayMs: 5 * MINUTE,
  intervalMs: MINUTE,
  count: 3,
  success: { op: ">", value: 0 },
  failure: null,
  failureLimit: 0,
  inconclusiveLimit: 0,
  errorLimit: 1,
  dryRun: false,
  compare: null,
};

describe("a gate", () => {
  let served: Served;
  before(async () => {
    served = await serve();
  });
  after(() => served.close());
  const worlds = useWorlds(); // after the server, whose end its check for leaks waits for
  let asked = 0;
  beforeEach(() => {
    asked = served.asked.length;
  });
  const questions = (): readonly Asked[] => served.asked.slice(asked);

  const gates = (nowMs: () => number) => ({
    providers: new Map([["prometheus", createPrometheus({ url: `http://${served.host}` })]]),
    webhook: createWebhook({ secret: () => SECRET, hosts: [served.host], nowMs }),
  });
  const open = (): Promise<ScenarioWorld> => worlds.openStable(aFleet(10), { gates });
  /** Answers numbers, one after the other, and the last for ever. */
  const measures = (...values: readonly (number | "error")[]): void => {
    let n = 0;
    served.answer = (response) => {
      const value = values[Math.min(n, values.length - 1)];
      n += 1;
      if (value === "error") response.writeHead(500).end();
      else {
        const data = { resultType: "vector", result: [{ metric: {}, value: [0, `${value}`] }] };
        response.end(JSON.stringify({ status: "success", data }));
      }
    };
  };
  const says = (...verdicts: readonly string[]): void => {
    let n = 0;
    served.answer = (response) => {
      const verdict = verdicts[Math.min(n, verdicts.length - 1)];
      n += 1;
      if (verdict === "error") response.writeHead(503).end();
      else response.end(JSON.stringify({ verdict }));
    };
  };
  const webhook = (): WebhookGate => ({
    kind: "webhook",
    name: "smoke test",
    url: `http://${served.host}/gate`,
    timeoutMs: 5_000,
    errorLimit: 2,
    intervalMs: MINUTE,
    dryRun: false,
  });
  const gated = (...of: readonly Gate[]): Partial<RolloutSpec> => {
    const [first, last] = stages(20, 100);
    assert.ok(first !== undefined && last !== undefined);
    return { stages: [{ ...first, gates: of }, last] };
  };

  it("of metrics alone tells that agents that are healthy drop all data: it is taken back", async () => {
    const world = await open();
    measures(0);
    const id = await world.start(2, gated(RECEIVED));
    await world.advance(4 * MINUTE);
    assert.equal(await world.at(id), "running stage_gating");
    assert.deepEqual(await world.counts(id), { verified: 2, queued: 8 }, "every other sign is good");
    await world.advanceTo(id, "rolled_back");
    assert.deepEqual(runningBy(world), { old: ALL });
    assert.equal(world.offers(NEW).size, 2);
    const [line] = (await world.log(id)).filter(({ kind }) => kind === "gate");
    assert.match(line?.message ?? "", /Gate data arrives of stage 1 failed: Measured 0; success is > 0/);
    assert.deepEqual(await world.store.rollouts.readings(id).then((all) => all.map(({ n, value }) => [n, value])), [
      [0, 0],
    ]);
    const [canary] = [...world.offers(NEW).keys()].sort();
    assert.ok(
      new URLSearchParams(questions()[0]?.body).get("query")?.includes(String(canary)),
      "it asks for the canaries",
    );
  });

  it("of metrics passes after as many measurements as it wants, each taken once and in its time", async () => {
    const world = await open();
    measures(7, 8, 9);
    const id = await world.start(2, gated(RECEIVED));
    const beganAtMs = world.nowMs;
    await world.advanceTo(id, "succeeded");
    const readings = await world.store.rollouts.readings(id);
    assert.deepEqual(readings.map(({ n }) => n).sort(), [0, 1, 2]);
    const times = questions().map(({ body }) => Number(new URLSearchParams(body).get("time")) * 1_000 - beganAtMs);
    assert.deepEqual(
      times,
      [0, 1, 2].map((n) => 5 * SECOND + (5 + n) * MINUTE),
    );
  });

  it("of metrics bears errors, and where there are too many asks people, who may override it", async () => {
    const world = await open();
    measures(7, "error", 8, "error", "error");
    const id = await world.start(2, gated(RECEIVED));
    await world.advance(HOUR);
    assert.equal(await world.at(id), "paused gate");
    assert.match((await world.status(id)).message, /could not tell: it could not be measured, 2 errors in a row/);
    assert.equal(questions().length, 5, "nothing is measured in the pause");
    await world.wish(id, { wish: "run", acceptsFailures: true });
    await world.advanceTo(id, "succeeded");
  });

  it("of metrics is asked anew where people resume without overriding it", async () => {
    const world = await open();
    measures("error", "error", 7);
    const id = await world.start(2, gated(RECEIVED));
    await world.advance(HOUR);
    assert.equal(await world.at(id), "paused gate");
    await world.wish(id, { wish: "run" });
    await world.advanceTo(id, "succeeded");
    const readings = await world.store.rollouts.readings(id);
    assert.deepEqual(readings.map(({ n }) => n).sort(), [0, 1, 2, 3, 4]);
  });

  it("of metrics compares the canaries with the others", async () => {
    const world = await open();
    const values = new Map<string, number>();
    served.answer = (response, { body }) => {
      const query = new URLSearchParams(body).get("query") ?? "";
      const isCanary = [...world.offers(NEW).keys()].some((uid) => query.includes(uid));
      values.set(isCanary ? "canary" : "control", 1);
      const data = { resultType: "vector", result: [{ metric: {}, value: [0, isCanary ? "3" : "100"] }] };
      response.end(JSON.stringify({ status: "success", data }));
    };
    const id = await world.start(2, gated({ ...RECEIVED, compare: "ratio", success: { op: ">", value: 0.5 } }));
    await world.advanceTo(id, "rolled_back");
    assert.deepEqual([...values.keys()].sort(), ["canary", "control"]);
    assert.ok((await world.log(id)).some(({ message }) => message.includes("ratio 0.03 (new 3, old 100)")));
  });

  it("of metrics in a dry run is never in the way", async () => {
    const world = await open();
    measures(0);
    const id = await world.start(2, gated({ ...RECEIVED, dryRun: true }));
    await world.advanceTo(id, "succeeded");
    assert.ok((await world.log(id)).some(({ message }) => message.includes("dry run, would have failed")));
  });

  it("of a webhook is asked with a signature, again after errors and a not-yet, each time under its own id", async () => {
    const world = await open();
    says("error", "not_yet", "error", "pass");
    const id = await world.start(2, gated(webhook()));
    await world.advanceTo(id, "succeeded");
    const heard = questions();
    assert.deepEqual(
      heard.map(({ headers }) => headers["webhook-id"]),
      [0, 1, 2, 3].map((n) => `gate_${id}_0_0_${n}`),
    );
    for (const { headers, body } of heard) {
      const key = Buffer.from(SECRET.slice("whsec_".length), "base64");
      const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
      assert.equal(headers["webhook-signature"], `v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    }
    const said = JSON.parse(heard[0]?.body ?? "{}");
    assert.deepEqual([said.rollout_id, said.stage, said.counts.verified], [id, 0, 2]);
  });

  it("of a webhook that says no ends it", async () => {
    const world = await open();
    says("fail");
    const id = await world.start(2, gated(webhook()));
    await world.advanceTo(id, "rolled_back");
    assert.equal(questions().length, 1);
  });

  it("is asked in turn: the second only once the first passed", async () => {
    const world = await open();
    says("not_yet", "not_yet", "pass");
    const id = await world.start(2, gated(webhook(), { ...webhook(), name: "second" }));
    await world.advanceTo(id, "succeeded");
    const names = questions().map(({ body }) => JSON.parse(body).gate);
    assert.deepEqual(names, ["smoke test", "smoke test", "smoke test", "second"]);
    const passed = (await world.log(id)).filter(({ kind }) => kind === "gate").map(({ inputs }) => inputs["gate"]);
    assert.deepEqual(passed, ["smoke test", "second"], "each is told of once");
  });

  it("whose measurement a worker dies over is measured again, and counts once", async () => {
    const world = await open();
    measures(7);
    world.work.fault = once("dies", "record");
    const id = await world.start(2, gated(RECEIVED));
    await world.advanceTo(id, "succeeded");
    const readings = await world.store.rollouts.readings(id);
    assert.deepEqual(readings.map(({ n }) => n).sort(), [0, 1, 2]);
    assert.equal(questions().length, 4);
  });

  it("whose measurement a worker stalls over does not replace what another measured meanwhile", async () => {
    const world = await open();
    measures(7, 8, 9, 10, 11);
    world.work.fault = once("stalls", "record");
    const id = await world.start(2, gated(RECEIVED));
    await world.advanceTo(id, "succeeded");
    const readings = [...(await world.store.rollouts.readings(id))].sort((a, b) => a.n - b.n);
    assert.deepEqual(
      readings.map(({ n, value }) => [n, value]),
      [
        [0, 8],
        [1, 9],
        [2, 10],
      ],
    );
  });

  it("of health holds it against the stage that an agent is not well, also one that was accepted", async () => {
    const world = await open();
    const [first, last] = stages(50, 100);
    assert.ok(first !== undefined && last !== undefined);
    const health = { kind: "health", name: "all well" } as const;
    const id = await world.start(2, {
      stages: [{ ...first, gates: [health], bakeMs: MINUTE, successMinPercent: 50 }, last],
      budget: NO_BUDGET,
      timing: { ...DEFAULT_TIMING, soakMs: 0, finalBakeMs: 0, unhealthyGraceMs: 10 * MINUTE },
    });
    await world.advance(30 * SECOND);
    const [uid] = world.offers(NEW).keys();
    assert.ok(uid !== undefined);
    await world.advance(20 * SECOND);
    world.agent(uid).setHealthy(false, world.nowMs);
    await world.advance(5 * MINUTE);
    assert.notEqual((await world.status(id)).stages[0]?.state, "passed");
  });

  it("of another rollout waits for its success", async () => {
    const world = await open();
    const other = { configId: parseConfigId("other"), selector: "env=none" };
    const id = await world.start(2, gated({ kind: "dependency", name: "other first", rolloutId: rolloutId(9) }));
    await world.advance(MINUTE);
    assert.equal(await world.at(id), "paused gate", "there is no such rollout: people decide");
    const [first, last] = stages(50, 100);
    assert.ok(first !== undefined && last !== undefined);
    world.add({ uid: aUid(50), labels: { env: "none" } });
    await world.start(9, { ...other, stages: [{ ...first, promotions: 1 }, last] });
    await world.wish(id, { wish: "run" });
    await world.advance(10 * MINUTE);
    assert.equal(await world.at(id), "paused dependency");
    await world.promote(rolloutId(9), "bob");
    await world.advanceTo(rolloutId(9), "succeeded");
    await world.advanceTo(id, "succeeded");
  });
});
