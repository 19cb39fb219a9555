// The provider against a server that answers as Prometheus does, and as it should not. A real one: e2e/real-prometheus.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { FleetError } from "@muster/fleet";
import { trackLeaks } from "@muster/testkit";
import { type Answer, BAD_ANSWERS, type Served, serve } from "./fixtures/serve.ts";
import { createPrometheus, type PrometheusOptions } from "./prometheus.ts";

const mark = trackLeaks();
const never = new AbortController().signal;
const json =
  (value: unknown, status = 200): Answer =>
  (response) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
const vector = (...values: readonly string[]): Answer => {
  const result = values.map((value, n) => ({ metric: { n: `${n}` }, value: [1_700_000_000.123, value] }));
  return json({ status: "success", data: { resultType: "vector", result } });
};
const data = (resultType: string, result: unknown, rest: object = {}): Answer =>
  json({ status: "success", data: { resultType, result }, ...rest });

describe("createPrometheus", () => {
  let server: Served;
  before(async () => {
    server = await serve();
  });
  afterEach(() => {
    server.answer = json({});
  });
  after(async () => {
    await server.close();
    await mark.assertNone({ timeoutMs: 5_000 });
  });

  const ask = async (answer: Answer, options: Partial<PrometheusOptions> = {}, signal = never) => {
    server.answer = answer;
    return await createPrometheus({ url: `http://${server.host}`, ...options }).measure(
      "up",
      1_700_000_000_500,
      signal,
    );
  };

  it("asks with a form: the query, the moment in seconds, and a timeout before its own deadline", async () => {
    await ask(vector("1"), { url: `http://${server.host}/prefix/?tenant=a` });
    const { method, path, headers, body } = server.asked.at(-1) ?? assert.fail("was not asked");
    assert.deepEqual([method, path], ["POST", "/prefix/api/v1/query?tenant=a"]);
    assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
    assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), {
      query: "up",
      time: "1700000000.5",
      timeout: "9000ms",
    });
    assert.equal(headers.authorization, undefined);
  });

  const credentials = [
    { name: "user and password", user: "muster:s%40cret@", says: `Basic ${btoa("muster:s@cret")}` },
    { name: "a percent sign that encodes nothing", user: "muster:100%@", says: `Basic ${btoa("muster:100%")}` },
    { name: "a token", user: "", token: "t0ken", says: "Bearer t0ken" },
    { name: "a token rather than user and password", user: "muster:secret@", token: "t0ken", says: "Bearer t0ken" },
  ];
  for (const { name, user, token, says } of credentials) {
    it(`shows ${name}`, async () => {
      await ask(vector("1"), { url: `http://${user}${server.host}`, token: token === undefined ? token : () => token });
      assert.equal(server.asked.at(-1)?.headers.authorization, says);
    });
  }

  const good: readonly { name: string; answer: Answer; is: number | null }[] = [
    { name: "a vector of one", answer: vector("0.25"), is: 0.25 },
    { name: "a scalar", answer: data("scalar", [1_700_000_000, "3"]), is: 3 },
    { name: "no series as no data", answer: vector(), is: null },
    { name: "an exponent", answer: vector("1e-7"), is: 1e-7 },
    { name: "NaN", answer: vector("NaN"), is: Number.NaN },
    { name: "infinity", answer: vector("+Inf"), is: Infinity },
    { name: "infinity below zero", answer: vector("-Inf"), is: -Infinity },
    {
      name: "a value with warnings",
      answer: data("scalar", [0, "1"], { warnings: ["careful"], infos: ["by the way"] }),
      is: 1,
    },
  ];
  for (const { name, answer, is } of good) it(`reads ${name}`, async () => assert.deepEqual(await ask(answer), is));

  const bad: readonly { name: string; answer: Answer; says: RegExp }[] = [
    { name: "several series", answer: vector("1", "2"), says: /answered 2 series; aggregate them to one/ },
    { name: "a range", answer: data("matrix", []), says: /answered a matrix, not a number/ },
    { name: "a text", answer: data("string", [0, "1"]), says: /answered a string, not a number/ },
    { name: "a histogram", answer: data("vector", [{ metric: {}, histogram: [0, {}] }]), says: /histogram_quantile/ },
    { name: "a sample of no number", answer: vector("many"), says: /no number/ },
    { name: "a sample that is a number", answer: data("scalar", [0, 1]), says: /a sample that is none/ },
    { name: "a series that is none", answer: data("vector", [null]), says: /a series that is none/ },
    {
      name: "an error of the query",
      answer: json({ status: "error", errorType: "bad_data", error: "1:3: parse error" }, 400),
      says: /refused the query \(bad_data\): 1:3: parse error\.$/,
    },
    {
      name: "a timeout of its own",
      answer: json({ status: "error", errorType: "timeout", error: "query timed out" }, 503),
      says: /refused the query \(timeout\): query timed out\.$/,
    },
    { name: "wrong credentials", answer: (response) => response.writeHead(401).end("no"), says: /refused the creden/ },
    { name: "an empty answer", answer: (response) => response.end(), says: /not Prometheus's \(HTTP 200\)/ },
    { name: "JSON of somebody else", answer: json(["status"]), says: /not Prometheus's/ },
    { name: "success without data", answer: json({ status: "success" }), says: /not Prometheus's/ },
    { name: "success with a wrong status", answer: json({ status: "success", data: {} }, 500), says: /\(HTTP 500\)/ },
    { name: "garbage", answer: BAD_ANSWERS.garbage, says: /not Prometheus's/ },
    { name: "a redirect", answer: BAD_ANSWERS.redirect, says: /redirects \(HTTP 307\)/ },
    { name: "an answer without end", answer: BAD_ANSWERS.endless, says: /answered more than 1048576 bytes/ },
    { name: "a connection cut in mid-answer", answer: BAD_ANSWERS.cut, says: /cannot be reached: / },
  ];
  for (const { name, answer, says } of bad) {
    it(`says what is wrong with ${name}`, async () => {
      await assert.rejects(ask(answer), (error) => error instanceof FleetError && says.test(error.message));
    });
  }

  it("asks nobody that it is redirected to", async () => {
    const askedCount = server.asked.length;
    await assert.rejects(ask(BAD_ANSWERS.redirect));
    assert.equal(server.asked.length, askedCount + 1);
  });

  for (const name of ["never", "half"] as const) {
    it(`gives up on an answer that comes ${name} within its deadline`, async () => {
      await assert.rejects(ask(BAD_ANSWERS[name], { deadlineMs: 100 }), /gave no whole answer within 0\.1 s\.$/);
    });
  }

  it("ends when its worker does", async () => {
    const ending = new AbortController();
    const answer: Answer = () => ending.abort();
    await assert.rejects(ask(answer, {}, ending.signal), /was not waited for: this worker is ending\.$/);
  });

  it("never tells what it was let in with", async () => {
    const gone = await serve();
    await gone.close();
    const url = `http://muster:secret@${gone.host}`;
    await assert.rejects(ask(vector(), { url }), (error) => {
      assert.ok(error instanceof FleetError);
      assert.match(error.message, /^127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED/);
      const { stack, cause } = error;
      return ![error.message, stack, String(cause), JSON.stringify(cause)].join().includes("secret");
    });
  });
});
