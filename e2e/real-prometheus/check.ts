// Metric gates against a real Prometheus: `node e2e/real-prometheus/check.ts` under the pinned Node. Builds Prometheus
// first where it is not there yet (setup.sh); in need of Go, and so not part of `npm test`. Prints a line per check, and
// `N passed, N failed` at the end; exits 1 when one failed.

import assert from "node:assert/strict";
import {
  type InstanceUid,
  MAX_QUERY_AGENTS,
  type MetricGate,
  parseConfigId,
  type RolloutCounts,
  renderQuery,
} from "@muster/fleet";
import { aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { measure } from "../../services/rollout/src/measure.ts";
import { createPrometheus } from "../../services/rollout/src/prometheus.ts";
import { openWorld, PASSWORD, USER } from "./world.ts";

const never = new AbortController().signal;
const tally = { passed: 0, failed: 0 };

async function check(sentence: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
    tally.passed += 1;
    process.stdout.write(`ok    ${sentence}\n`);
  } catch (error) {
    tally.failed += 1;
    process.stdout.write(`FAIL  ${sentence}\n${error instanceof Error ? error.message : error}\n`);
  }
}

/** Agents with the new revision have four errors each, those with the old one, and there are more than a query names. */
const uids = (from: number, count: number): readonly InstanceUid[] =>
  Array.from({ length: count }, (_, i) => aUid(from + i));
const CANARY = uids(1, 5);
const CONTROL = uids(1_001, MAX_QUERY_AGENTS + 50);
/** A text that breaks out of every string and regular expression that does not escape it. */
const ODD = 'a.b"} or vector(9) or x{y=~"\\d|(';
/** Some millions of steps, and so some seconds. */
const SLOW = "max_over_time((sum(agent_errors) + vector(1))[30d:1s])";
const world = await openWorld([
  ...CANARY.map((agent) => ({ agent, errors: 4 })),
  ...CONTROL.map((agent) => ({ agent, errors: 1 })),
  { agent: ODD, errors: 7 },
  { agent: "axb", errors: 8 },
]);
const host = world.host;
const credentials = `${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}`;
const provider = createPrometheus({ url: `http://${credentials}@${host}` });
const deps = { providers: new Map([["prometheus", provider]]), webhook: () => assert.fail(), nowMs: Date.now };

const take = async (
  query: string,
  gate: Partial<MetricGate> = {},
  agents: { control?: readonly InstanceUid[] } = {},
) => {
  const asked: MetricGate = {
    kind: "metric",
    name: "errors",
    provider: "prometheus",
    query,
    initialDelayMs: 0,
    intervalMs: 1_000,
    count: 1,
    success: { op: "<=", value: 3 },
    failure: null,
    failureLimit: 0,
    inconclusiveLimit: 0,
    errorLimit: 0,
    dryRun: false,
    compare: null,
    ...gate,
  };
  const place = { stage: 0, stageName: "", gateIndex: 0, n: 0, rolloutId: ROLLOUT_ID, configId: parseConfigId("base") };
  const counts = {} as RolloutCounts; // metric gates do not look
  const request = { ...place, revision: 1, counts, gate: asked, canary: CANARY, control: CONTROL, ...agents };
  return await measure(request, deps, never);
};

const readings: readonly {
  readonly sentence: string;
  readonly query: string;
  readonly gate?: Partial<MetricGate>;
  readonly control?: readonly InstanceUid[];
  readonly is: readonly [outcome: string, value: number | null];
  readonly says?: RegExp;
}[] = [
  { sentence: "a scalar", query: "scalar(max(agent_errors < 5))", is: ["failure", 4] },
  { sentence: "a number", query: "1 + 1", is: ["success", 2] },
  { sentence: "a vector of one", query: "max(agent_errors < 5)", is: ["failure", 4] },
  { sentence: "no data", query: "agent_errors > 100", is: ["inconclusive", null], says: /found no data/ },
  { sentence: "a metric that there is not", query: "nonsense", is: ["inconclusive", null], says: /found no data/ },
  { sentence: "not a number", query: "vector(0) / 0", is: ["inconclusive", null], says: /Measured NaN/ },
  { sentence: "infinity", query: "vector(1) / 0", is: ["failure", null], says: /Measured Infinity/ },
  { sentence: "infinity below zero", query: "vector(-1) / 0", is: ["success", null], says: /Measured -Infinity/ },
  { sentence: "several series", query: "agent_errors > 5", is: ["error", null], says: /answered 2 series; aggregate/ },
  { sentence: "a range", query: "agent_errors[1m]", is: ["error", null], says: /answered a matrix/ },
  { sentence: "a text", query: '"four"', is: ["error", null], says: /answered a string/ },
  {
    sentence: "a bad query",
    query: "sum(agent_errors",
    is: ["error", null],
    says: /refused the query \(bad_data\): .*parse error: unclosed left parenthesis/,
  },
  {
    sentence: "a query that cannot be evaluated",
    query: "agent_errors + on() group_left() agent_errors",
    is: ["error", null],
    says: /refused the query \(execution\): .*duplicate series/,
  },
  {
    sentence: "the new agents only",
    query: 'count(agent_errors{service_instance_id=~"$agents"})',
    is: ["failure", CANARY.length],
  },
  {
    sentence: "the ratio of new to old",
    query: 'avg(agent_errors{service_instance_id=~"$agents"})',
    gate: { compare: "ratio" },
    is: ["failure", 4],
    says: /ratio 4 \(new 4, old 1\)/,
  },
  {
    sentence: "the difference between new and old",
    query: 'avg(agent_errors{service_instance_id=~"$agents"})',
    gate: { compare: "difference" },
    is: ["success", 3],
    says: /difference 3 \(new 4, old 1\)/,
  },
  {
    sentence: "no ratio to zero",
    query: '0 * avg(agent_errors{service_instance_id=~"$agents"})',
    gate: { compare: "ratio" },
    is: ["inconclusive", null],
    says: /no ratio to zero/,
  },
  {
    sentence: "no comparison with agents that nobody scrapes",
    query: 'avg(agent_errors{service_instance_id=~"$agents"})',
    gate: { compare: "ratio" },
    control: uids(9_001, 1),
    is: ["inconclusive", null],
    says: /no data of agents with the old revision/,
  },
  {
    sentence: `at most ${MAX_QUERY_AGENTS} of the old`,
    query: 'count(agent_errors{service_instance_id=~"$agents"})',
    gate: { compare: "difference" },
    is: ["success", CANARY.length - MAX_QUERY_AGENTS],
  },
];
for (const { sentence, query, gate, control, is, says } of readings) {
  await check(`measures ${sentence}: ${is.join(" ").trim()}`, async () => {
    const reading = await take(query, gate, control === undefined ? {} : { control });
    assert.deepEqual([reading.outcome, reading.value], is, reading.message);
    if (says !== undefined) assert.match(reading.message, says);
  });
}

await check("names an agent whose name breaks out of whatever does not escape it, and only that one", async () => {
  const query = renderQuery('sum(agent_errors{service_instance_id=~"$agents"})', [ODD]);
  assert.equal(await provider.measure(query, Date.now(), never), 7);
});
await check("names nobody where there are no agents", async () => {
  for (const agents of ['service_instance_id=~"$agents"', 'no_such_label=~"$agents"']) {
    assert.equal(await provider.measure(renderQuery(`sum(agent_errors{${agents}})`, []), Date.now(), never), null);
  }
});
await check("asks about the moment that it is told", async () => {
  assert.equal(await provider.measure("time()", 1_700_000_000_500, never), 1_700_000_000.5);
  assert.equal(await provider.measure("sum(agent_errors)", Date.now() - 3_600_000, never), null);
});
await check("has Prometheus give up on a query that takes too long, and says so", async () => {
  const hasty = createPrometheus({ url: `http://${credentials}@${host}`, deadlineMs: 300 });
  const startedAtMs = performance.now();
  await assert.rejects(hasty.measure(SLOW, Date.now(), never), /refused the query \(timeout\): .*timed out/);
  assert.ok(performance.now() - startedAtMs < 2_000);
});
await check("gives up itself when a query takes too long", async () => {
  const hasty = createPrometheus({ url: `http://${credentials}@${host}`, deadlineMs: 1 });
  await assert.rejects(hasty.measure(SLOW, Date.now(), never), /gave no whole answer within|\(timeout\)/);
});
await check("says that its credentials are wrong, and not what they are", async () => {
  for (const url of [`http://${host}`, `http://${USER}:wrong-one@${host}`]) {
    const asking = createPrometheus({ url }).measure("up", Date.now(), never);
    await assert.rejects(asking, (error) => {
      return /refused the credentials \(HTTP 401\)\.$/.test(String(error)) && !String(error).includes("wrong-one");
    });
  }
});
await check("says that Prometheus is elsewhere when the path is wrong", async () => {
  const asking = createPrometheus({ url: `http://${credentials}@${host}/elsewhere` }).measure("up", Date.now(), never);
  await assert.rejects(asking, /not Prometheus's \(HTTP 404\)\.$/);
});

await world.close();
process.stdout.write(`${tally.passed} passed, ${tally.failed} failed\n`);
process.exitCode = tally.failed === 0 ? 0 : 1;
