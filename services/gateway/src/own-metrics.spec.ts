import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { InstanceUid } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { AggregationTemporality, type MetricSchema } from "@muster/protocol/otlp";
import { ExportMetricsServiceRequestSchema, ExportMetricsServiceResponseSchema } from "@muster/protocol/otlp/service";
import { StatusSchema } from "@muster/protocol/rpc/status";
import type { MeasuredUsage, UsageOutcome } from "@muster/store";
import { until } from "@muster/testkit";
import { type Counts, createCounts } from "./metrics.ts";
import { createOwnMetrics, type OwnMetrics, type OwnMetricsDeps } from "./own-metrics.ts";
import { openSockets, type Sockets } from "./socket.ts";
import { NO_WEBSOCKETS } from "./spec-handlers.ts";

/** What `node --expose-gc` gives. */
const collectGarbage = ((): (() => void) => {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void; // V8's own
})();

const T0 = 1_800_000_000_000;
const MAX_BYTES = 2_000_000;
const [uid, other] = [aUid(1), aUid(2)];

type MetricInit = MessageInitShape<typeof MetricSchema>;
type RequestInit = MessageInitShape<typeof ExportMetricsServiceRequestSchema>;

const nanos = (atMs: number): bigint => BigInt(atMs) * 1_000_000n;
const memory = (bytes: number, atMs = T0): MetricInit => ({
  name: "otelcol_process_memory_rss",
  data: {
    case: "gauge",
    value: { dataPoints: [{ timeUnixNano: nanos(atMs), value: { case: "asInt", value: BigInt(bytes) } }] },
  },
});
const cpu = (seconds: number, atMs: number): MetricInit => ({
  name: "otelcol_process_cpu_seconds",
  data: {
    case: "sum",
    value: {
      isMonotonic: true,
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPoints: [
        { startTimeUnixNano: nanos(T0), timeUnixNano: nanos(atMs), value: { case: "asDouble", value: seconds } },
      ],
    },
  },
});
const latency: MetricInit = {
  name: "latency",
  data: { case: "histogram", value: { dataPoints: [{ bucketCounts: [1n] }, { bucketCounts: [2n] }] } },
};
const resource = (instanceId: string, ...metrics: readonly MetricInit[]) => ({
  resource: {
    attributes: [{ key: "service.instance.id", value: { value: { case: "stringValue" as const, value: instanceId } } }],
  },
  scopeMetrics: [{ metrics: [...metrics] }],
});
const request = (...resourceMetrics: NonNullable<RequestInit["resourceMetrics"]>): Buffer =>
  Buffer.from(
    toBinary(ExportMetricsServiceRequestSchema, create(ExportMetricsServiceRequestSchema, { resourceMetrics })),
  );

describe("the receiver of own metrics", () => {
  let sockets: Sockets;
  let ownMetrics: OwnMetrics;
  let counts: Counts;
  let nowMs = T0;
  let appended: (MeasuredUsage & { readonly of: InstanceUid })[] = [];
  let answerOf: (of: InstanceUid) => Promise<UsageOutcome>;
  const open = (rest: Pick<OwnMetricsDeps, "maxAgents"> = {}): void => {
    counts = createCounts();
    ownMetrics = createOwnMetrics({
      usages: {
        async append(of, measured) {
          appended.push({ of, ...measured });
          return await answerOf(of);
        },
      },
      counts,
      nowMs: () => nowMs,
      retryAfterS: () => 30,
      onError: () => undefined,
      ...rest,
    });
  };
  before(async () => {
    const route = {
      path: "/v1/metrics",
      post: (...args: Parameters<OwnMetrics["post"]>) => ownMetrics.post(...args),
      unreadable: (...args: Parameters<OwnMetrics["unreadable"]>) => ownMetrics.unreadable(...args),
      explain: (sentence: string) => ownMetrics.explain?.(sentence) ?? new Uint8Array(),
    };
    sockets = await openSockets(
      { host: "127.0.0.1", port: 0, path: "/v1/opamp", maxMessageBytes: MAX_BYTES },
      {
        admit: ({ authorization }) =>
          authorization === "Bearer bad" ? { kind: "unauthorized" } : { kind: "admitted", identity: authorization },
        routes: [route],
        ...NO_WEBSOCKETS,
      },
    );
  });
  beforeEach(() => {
    nowMs = T0;
    appended = [];
    answerOf = async () => "written";
    open();
  });
  after(() => sockets.close());

  const post = async (body: Buffer, headers: Readonly<Record<string, string>> = {}, method = "POST") => {
    const response = await fetch(`http://127.0.0.1:${sockets.port}/v1/metrics`, {
      method,
      headers: { "content-type": "application/x-protobuf", connection: "close", ...headers },
      ...(method === "POST" && { body: new Uint8Array(body) }),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes };
  };
  const send = async (...args: Parameters<typeof post>) => {
    const { status, bytes } = await post(...args);
    assert.equal(status, 200);
    return fromBinary(ExportMetricsServiceResponseSchema, bytes).partialSuccess;
  };
  const refusal = async (...args: Parameters<typeof post>) => {
    const { status, headers, bytes } = await post(...args);
    assert.equal(headers.get("content-type"), "application/x-protobuf");
    return [status, fromBinary(StatusSchema, bytes).message, headers.get("retry-after")] as const;
  };
  const whole = request(resource(aUid(99_999), memory(70)));
  const told = () => appended.map(({ of, usage, identity }) => ({ of, identity, ...usage }));

  it("writes what an agent takes: its memory at once, with its CPU when that can be told", async () => {
    assert.equal(
      await send(request(resource(uid, latency, memory(70)), resource(other, memory(5), cpu(1, T0)))),
      undefined,
    );
    assert.deepEqual(told(), [{ of: uid, identity: "", cpuPercent: null, cpuCores: null, memoryBytes: 70 }]);
    nowMs += 10_000;
    await send(gzipSync(request(resource(other, memory(6), cpu(3.5, nowMs)))), { "content-encoding": "gzip" });
    assert.deepEqual(told().at(-1), {
      of: other,
      identity: "",
      cpuPercent: null,
      cpuCores: 0.25,
      memoryBytes: 6,
    });
    assert.deepEqual([counts.ownMetricsRequests, counts.usagesWritten, counts.ownMetricsRefusals], [2, 2, 0]);
  });

  it("asks nobody about what is no news", async () => {
    for (let i = 0; i < 5; i++) {
      await send(request(resource(uid, memory(70))));
      nowMs += 10_000;
    }
    assert.equal(appended.length, 1);
    nowMs = T0 + 60_000;
    await send(request(resource(uid, memory(80))));
    assert.equal(appended.length, 2);
  });

  it("takes what is empty, or counts nothing that it keeps", async () => {
    assert.equal(await send(request()), undefined);
    assert.equal(await send(request(resource(uid, latency))), undefined);
    assert.deepEqual(appended, []);
  });

  it("says which resources it did not take, and why, with all their points", async () => {
    answerOf = async (of) => (of === uid ? "unknown" : "foreign");
    const nobody = { scopeMetrics: [{ metrics: [memory(1), latency] }] };
    const body = request(nobody, resource("otelcol-1", latency), resource(uid, memory(1)), resource(other, memory(1)));
    const { rejectedDataPoints, errorMessage = "" } = (await send(body, { authorization: "edge" })) ?? {};
    assert.equal(rejectedDataPoints, 7n);
    assert.match(
      errorMessage,
      /2 without .*service\.instance\.id.* 1 of agents that are not known.* 1 of .* another identity/,
    );
    assert.equal(counts.ownMetricsRefusals, 4);
    assert.equal(told()[0]?.identity, "edge");
    await send(body, { authorization: "edge" });
    assert.equal(appended.length, 2, "those that were refused a moment ago are not asked about again");
    answerOf = async () => "written";
    assert.equal(
      await send(request(resource(uid, memory(1))), { authorization: "owner" }),
      undefined,
      "nor is the owner",
    );
  });

  it("asks again about those that were refused, half a minute later: they may have connected", async () => {
    const body = request(resource(uid, memory(1)));
    answerOf = async () => "unknown";
    await send(body);
    answerOf = async () => "written";
    nowMs += 30_000;
    assert.equal((await send(body))?.rejectedDataPoints, 1n);
    nowMs += 1;
    assert.equal(await send(body), undefined);
    assert.equal(appended.length, 2);
  });

  it("forgets who was not heard of for the longest time, and counts them", async () => {
    open({ maxAgents: 2 });
    await send(request(resource(aUid(1), memory(1)), resource(aUid(2), memory(1))));
    await send(request(resource(aUid(1), memory(1)), resource(aUid(3), memory(1))));
    assert.deepEqual([appended.length, counts.usagesForgotten], [3, 1]);
    await send(request(resource(aUid(1), memory(1)), resource(aUid(3), memory(1))));
    assert.deepEqual([appended.length, counts.usagesForgotten], [3, 1], "nobody else is");
    await send(request(resource(aUid(2), memory(1))));
    assert.deepEqual([appended.length, counts.usagesForgotten], [4, 2], "who was forgotten begins anew");
  });

  it("is told again what could not be written", async () => {
    const body = request(resource(uid, memory(70)));
    answerOf = async () => "full";
    assert.deepEqual((await refusal(body)).toSpliced(1, 1), [503, "30"]);
    answerOf = () => Promise.reject(new Error("Redis is away"));
    const [status, sentence, retryAfter] = await refusal(body);
    assert.deepEqual([status, retryAfter, counts.storeErrors], [503, "30", 1]);
    assert.match(sentence, /store/);
    answerOf = async () => "written";
    await send(body);
    await send(body);
    assert.equal(appended.length, 3, "and once it was written, no more");
  });

  it("refuses more news than can be written, and takes them later", async () => {
    const many = (from: number, count: number) =>
      request(...Array.from({ length: count }, (_, i) => resource(aUid(from + i), memory(1))));
    assert.equal(await send(many(1, 10_000)), undefined);
    assert.equal(appended.length, 10_000);
    const [status, , retryAfter] = await refusal(many(20_001, 1_000));
    assert.deepEqual([status, retryAfter, appended.length], [429, "30", 10_000]);
    nowMs += 1_000;
    assert.equal(await send(many(20_001, 1_000)), undefined);
    assert.equal((await refusal(many(1, 10_001)))[0], 413, "resources of one request");
  });

  it("writes as many as it may of a request about many, so that it ends however many others send", async () => {
    const many = (from: number, count: number) =>
      request(...Array.from({ length: count }, (_, i) => resource(aUid(from + i), memory(1))));
    await send(many(1, 9_500));
    const large = many(20_001, 2_500);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      statuses.push((await post(large)).status);
      const written = appended.length;
      nowMs += 1_000;
      await send(many(30_001 + 1_000 * i, 1_000));
      assert.equal(appended.length, written + 1_000, "others get theirs");
    }
    assert.deepEqual(statuses, [429, 429, 200]);
    assert.equal(appended.length, 9_500 + 2_500 + 3_000, "each of them once");
  });

  it("lets a request's body go before its news are written", async () => {
    const { promise, resolve } = Promise.withResolvers<UsageOutcome>();
    answerOf = () => promise;
    const { promise: answered, resolve: answer } = Promise.withResolvers<Uint8Array>();
    const exchange = { remoteAddress: "", identity: "", authorization: "", claimedUid: "" };
    const postOnce = (): WeakRef<ArrayBufferLike> => {
      // A buffer of its own; the pool of Buffer.from stays.
      const body = new Uint8Array(request(resource(uid, memory(1), latency), resource("nobody", latency)));
      ownMetrics.post({ ...exchange, respond: (_, bytes) => answer(bytes) }, body);
      const held = new WeakRef(body.buffer);
      body.fill(0);
      return held;
    };
    const held = postOnce();
    await until(() => {
      collectGarbage();
      return held.deref() === undefined;
    });
    resolve("unknown");
    const { partialSuccess } = fromBinary(ExportMetricsServiceResponseSchema, await answered);
    assert.equal(partialSuccess?.rejectedDataPoints, 5n);
  });

  it("has no more wait than it may, however slow the store is", async () => {
    const { promise, resolve } = Promise.withResolvers<UsageOutcome>();
    answerOf = () => promise;
    const many = (from: number) =>
      request(...Array.from({ length: 10_000 }, (_, i) => resource(aUid(from + i), memory(1))));
    const waiting = [post(many(1))];
    await until(() => appended.length === 10_000);
    nowMs += 5_000;
    waiting.push(post(many(20_001)));
    await until(() => appended.length === 20_000);
    nowMs += 5_000;
    assert.equal((await refusal(whole))[0], 429);
    resolve("written");
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ status }) => status),
      [200, 200],
    );
    assert.equal(await send(whole), undefined, "when they are written, others are taken");
  });

  const points = (...values: readonly MessageInitShape<typeof MetricSchema>[]) => request(resource(uid, ...values));
  const odd = (value: number, atMs = T0): MetricInit => ({
    name: "process.memory.usage",
    data: { case: "gauge", value: { dataPoints: [{ timeUnixNano: nanos(atMs), value: { case: "asDouble", value } }] } },
  });
  it("takes numbers that are none for nothing, and both kinds of number and points without a time for what they are", async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -5])
      await send(points(odd(value)));
    await send(points({ name: "process.memory.usage", data: { case: "gauge", value: { dataPoints: [{}] } } }));
    assert.deepEqual(appended, []);
    await send(points(odd(7.4, 0)));
    assert.equal(told()[0]?.memoryBytes, 7);
  });

  const bomb = gzipSync(Buffer.alloc(50 * MAX_BYTES));
  const gzipped = { "content-encoding": "gzip" };
  const refused: readonly (readonly [what: string, status: number, ...Parameters<typeof post>])[] = [
    ["garbage", 400, Buffer.from("not at all")],
    ["a request that is cut short", 400, whole.subarray(0, -3)],
    ["gzip that is cut short", 400, gzipSync(whole).subarray(0, -3), gzipped],
    ["what only says that it is gzip", 400, whole, gzipped],
    ["a body over the limit", 413, Buffer.alloc(MAX_BYTES + 1)],
    ["a bomb", 413, bomb, gzipped],
    ["another encoding", 415, whole, { "content-encoding": "zstd" }],
    ["a token that nobody knows", 401, whole, { authorization: "Bearer bad" }],
  ];
  for (const [what, expected, ...args] of refused) {
    it(`refuses ${what}, and says so`, async () => {
      const [status, sentence] = await refusal(...args);
      assert.equal(status, expected);
      assert.ok(sentence.length > 20, sentence);
      assert.deepEqual(appended, []);
    });
  }

  it("takes nothing but Protobuf, by nothing but POST", async () => {
    const json = await post(Buffer.from("{}"), { "content-type": "application/json" });
    assert.deepEqual([json.status, Buffer.from(json.bytes).toString()], [415, "Send application/x-protobuf.\n"]);
    const get = await post(Buffer.of(), {}, "GET");
    assert.deepEqual([get.status, get.headers.get("allow")], [405, "POST"]);
  });

  it("tells everything again when the fleet state was lost", async () => {
    await send(whole);
    ownMetrics.forget();
    await send(whole);
    assert.equal(appended.length, 2);
  });

  it("is not left before what it took is written and answered", async () => {
    const { promise, resolve } = Promise.withResolvers<UsageOutcome>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    answerOf = () => {
      ask();
      return promise;
    };
    const sent = send(whole);
    await asked;
    let isEnded = false;
    const ended = sockets.endPosts().then(() => {
      isEnded = true;
    });
    assert.equal((await refusal(whole))[0], 503, "who comes now is not taken");
    assert.equal(isEnded, false);
    resolve("written");
    await ended;
    assert.equal(await sent, undefined);
  });
});
