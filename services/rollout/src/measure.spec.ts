// One measurement, from the gate to the reading, over HTTP.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type InstanceUid, type MetricGate, parseConfigId, type RolloutCounts, type WebhookGate } from "@muster/fleet";
import { aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { trackLeaks } from "@muster/testkit";
import { type Answer, BAD_ANSWERS, type Served, serve } from "./fixtures/serve.ts";
import { type MeasureDeps, type MeasureRequest, measure } from "./measure.ts";
import { createPrometheus } from "./prometheus.ts";
import { createWebhook } from "./webhook.ts";

const mark = trackLeaks();
const never = new AbortController().signal;
const NOW_MS = 1_700_000_000_000;
const METRIC: MetricGate = {
  kind: "metric",
  name: "errors",
  provider: "prometheus",
  query: 'errors{i=~"$agents"}',
  initialDelayMs: 0,
  intervalMs: 10_000,
  count: 1,
  success: { op: "<=", value: 1.5 },
  failure: null,
  failureLimit: 0,
  inconclusiveLimit: 0,
  errorLimit: 0,
  dryRun: false,
  compare: null,
};
const REQUEST: Omit<MeasureRequest, "gate"> = {
  rolloutId: ROLLOUT_ID,
  configId: parseConfigId("base"),
  revision: 7,
  stage: 1,
  stageName: "half",
  gateIndex: 2,
  n: 3,
  counts: { verified: 2 } as RolloutCounts, // as many states as it takes
  canary: [aUid(1), aUid(2)],
  control: [aUid(3)],
};

describe("measure", () => {
  let server: Served;
  let deps: MeasureDeps;
  before(async () => {
    server = await serve();
    deps = {
      providers: new Map([["prometheus", createPrometheus({ url: `http://${server.host}`, deadlineMs: 2_000 })]]),
      webhook: createWebhook({
        secret: () => `whsec_${btoa("x".repeat(24))}`,
        hosts: [server.host],
        nowMs: () => NOW_MS,
      }),
      nowMs: () => NOW_MS,
    };
  });
  after(async () => {
    await server.close();
    await mark.assertNone({ timeoutMs: 5_000 });
  });

  /** Answers the query about those agents with these values, "" standing for no data. */
  const prometheus =
    (values: Readonly<Record<string, string>>): Answer =>
    (response, { body }) => {
      const query = new URLSearchParams(body).get("query") ?? "";
      const text = values[query];
      if (text === undefined) return response.writeHead(400).end(`nobody should ask for ${query}`);
      const result = text === "" ? [] : [{ metric: {}, value: [0, text] }];
      return response.end(JSON.stringify({ status: "success", data: { resultType: "vector", result } }));
    };
  const of = (...agents: readonly InstanceUid[]) => `errors{i=~"${agents.join("|")}"}`;
  const CANARY = of(aUid(1), aUid(2));
  const CONTROL = of(aUid(3));

  it("says which measurement it was, and when", async () => {
    server.answer = prometheus({ [CANARY]: "1" });
    assert.deepEqual(await measure({ ...REQUEST, gate: METRIC }, deps, never), {
      stage: 1,
      gate: 2,
      n: 3,
      atMs: NOW_MS,
      outcome: "success",
      value: 1,
      message: "Measured 1; success is <= 1.5.",
    });
  });

  interface Case {
    readonly name: string;
    readonly gate?: Partial<MetricGate>;
    readonly request?: Partial<MeasureRequest>;
    readonly answers: Readonly<Record<string, string>>;
    readonly is: readonly [outcome: string, value: number | null, message: string];
  }
  const ratio = { compare: "ratio" } as const;
  const cases: readonly Case[] = [
    {
      name: "calls a value a failure that is no success",
      answers: { [CANARY]: "2" },
      is: ["failure", 2, "Measured 2; success is <= 1.5."],
    },
    {
      name: "cannot tell between success and failure",
      gate: { failure: { op: ">", value: 3 } },
      answers: { [CANARY]: "2.00000001" },
      is: ["inconclusive", 2.000_000_01, "Measured 2; success is <= 1.5, failure is > 3."],
    },
    {
      name: "cannot tell without data",
      answers: { [CANARY]: "" },
      is: ["inconclusive", null, "The query found no data."],
    },
    {
      name: "cannot tell from what is no number",
      answers: { [CANARY]: "NaN" },
      is: ["inconclusive", null, "Measured NaN; success is <= 1.5."],
    },
    {
      name: "judges infinity, and does not keep it",
      answers: { [CANARY]: "+Inf" },
      is: ["failure", null, "Measured Infinity; success is <= 1.5."],
    },
    {
      name: "judges the ratio of new to old",
      gate: ratio,
      answers: { [CANARY]: "0.3", [CONTROL]: "0.1" },
      is: ["failure", 0.3 / 0.1, "Measured ratio 3 (new 0.3, old 0.1); success is <= 1.5."],
    },
    {
      name: "judges the difference between new and old",
      gate: { compare: "difference" },
      answers: { [CANARY]: "3", [CONTROL]: "2" },
      is: ["success", 1, "Measured difference 1 (new 3, old 2); success is <= 1.5."],
    },
    {
      name: "cannot tell a ratio to zero",
      gate: ratio,
      answers: { [CANARY]: "3", [CONTROL]: "0" },
      is: ["inconclusive", null, "There is no ratio to zero (new 3, old 0)."],
    },
    {
      name: "tells a difference to zero",
      gate: { compare: "difference" },
      answers: { [CANARY]: "3", [CONTROL]: "0" },
      is: ["failure", 3, "Measured difference 3 (new 3, old 0); success is <= 1.5."],
    },
    {
      name: "cannot compare without data of the new",
      gate: ratio,
      answers: { [CANARY]: "", [CONTROL]: "1" },
      is: ["inconclusive", null, "The query found no data of agents with the new revision."],
    },
    {
      name: "cannot compare without data of the old",
      gate: ratio,
      answers: { [CANARY]: "1", [CONTROL]: "" },
      is: ["inconclusive", null, "The query found no data of agents with the old revision."],
    },
    {
      name: "cannot compare with nobody, and does not ask",
      gate: ratio,
      request: { control: [] },
      answers: {},
      is: ["inconclusive", null, "No agent has the old revision any more; there is nothing to compare with."],
    },
    {
      name: "cannot compare nobody, and does not ask",
      gate: ratio,
      request: { canary: [] },
      answers: {},
      is: ["inconclusive", null, "No agent has the new revision yet; there is nothing to compare."],
    },
    {
      name: "says which provider nobody knows",
      gate: { provider: "tea leaves" },
      answers: {},
      is: ["error", null, "Workers do not know where tea leaves is."],
    },
  ];
  for (const { name, gate, request, answers, is } of cases) {
    it(name, async () => {
      server.answer = prometheus(answers);
      const reading = await measure({ ...REQUEST, ...request, gate: { ...METRIC, ...gate } }, deps, never);
      assert.deepEqual([reading.outcome, reading.value, reading.message], is);
    });
  }

  it("says what to set where Prometheus is not known", async () => {
    const { message } = await measure({ ...REQUEST, gate: METRIC }, { ...deps, providers: new Map() }, never);
    assert.equal(message, "Workers do not know where prometheus is; set MUSTER_ROLLOUT_PROMETHEUS_URL.");
  });

  const webhook = (): WebhookGate => ({
    kind: "webhook",
    name: "smoke test",
    url: `http://${server.host}/`,
    timeoutMs: 200,
    errorLimit: 0,
    intervalMs: 10_000,
    dryRun: false,
  });

  it("takes a webhook's word as it is", async () => {
    server.answer = (response) => response.end('{"verdict": "fail", "message": "2 of 9 red"}');
    const { outcome, value, message } = await measure({ ...REQUEST, gate: webhook() }, deps, never);
    assert.deepEqual([outcome, value, message], ["failure", null, "2 of 9 red"]);
  });

  for (const name of Object.keys(BAD_ANSWERS) as readonly (keyof typeof BAD_ANSWERS)[]) {
    it(`survives an answer that is bad: ${name}`, async () => {
      server.answer = BAD_ANSWERS[name];
      for (const gate of [METRIC, { ...METRIC, ...ratio }, webhook()]) {
        const { outcome, message } = await measure({ ...REQUEST, gate }, deps, never);
        assert.deepEqual([outcome, message.endsWith(".")], ["error", true], message);
      }
    });
  }

  it("survives a URL that nobody checked", async () => {
    const { outcome } = await measure({ ...REQUEST, gate: { ...webhook(), url: "nonsense" } }, deps, never);
    assert.equal(outcome, "error");
  });

  it("ends when its worker does", async () => {
    const ending = new AbortController();
    server.answer = () => ending.abort();
    const { outcome, message } = await measure({ ...REQUEST, gate: METRIC }, deps, ending.signal);
    assert.deepEqual([outcome, message.includes("this worker is ending")], ["error", true]);
  });
});
