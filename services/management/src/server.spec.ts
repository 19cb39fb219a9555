import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { FleetError } from "@muster/fleet";
import { ConfigService } from "@muster/protocol/muster/configs";
import { RetryInfoSchema } from "@muster/protocol/rpc/error_details";
import { createMetrics, silentLogger } from "@muster/telemetry";
import { until } from "@muster/testkit";
import type { Call, MethodsOf } from "./call.ts";
import { createCallMetrics } from "./metrics.ts";
import { openServer, serve } from "./server.ts";
import { failureOf, next, type SpecApi, startApi } from "./spec-api.ts";

describe("the server", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  it("echoes the caller's request id, or makes one, and logs the call under it", async () => {
    const ids: (string | null)[] = [];
    const onHeader = (headers: Headers) => ids.push(headers.get("x-request-id"));
    await api.configs.listConfigs({}, { headers: { "x-request-id": "mine" }, onHeader });
    await api.configs.listConfigs({}, { headers: { "x-request-id": "not printable \x7f" }, onHeader });
    await api.configs.listConfigs({}, { onHeader });
    assert.equal(ids[0], "mine");
    assert.match(`${ids[1]} ${ids[2]}`, /^made-\d+ made-\d+$/);
    const line = await until(() => api.logged.find((each) => each["request_id"] === "mine"), { what: "a log line" });
    assert.deepEqual(
      [line["event"], line["method"], line["code"]],
      ["call.ended", "muster.v1.ConfigService/ListConfigs", "OK"],
    );
  });

  it("refuses requests that are too large, naming the limit", async () => {
    const files = [{ name: "big.bin", contentType: "application/octet-stream", body: new Uint8Array(5 * 1024 * 1024) }];
    const error = await failureOf(api.configs.publishRevision({ configId: "base", files }));
    assert.equal(error.code, Code.ResourceExhausted);
    assert.match(error.rawMessage, /4194304/);
  });

  it("answers UNAVAILABLE with a time to wait when Redis is away", async () => {
    const closing = await startApi();
    closing.store.close();
    const error = await failureOf(closing.configs.listConfigs({}));
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.findDetails(RetryInfoSchema)[0]?.retryDelay?.seconds, 1n);
    await closing.stop();
  });
});

describe("a call", () => {
  const calls: Call[] = [];
  const untilAborted = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  const boom = new Error("boom: secret");
  /** What each method does is what the case needs; names are those of a real service. */
  const methods: Partial<MethodsOf<typeof ConfigService>> = {
    async getConfig(_, call) {
      calls.push(call);
      return await untilAborted(call.signal);
    },
    listConfigs: () => Promise.reject(boom),
    getRevision: () => Promise.reject(new FleetError("exhausted", "Too much.")),
  };
  const logged: unknown[] = [];
  const log = { ...silentLogger, error: (event: string, fields: object = {}) => logged.push({ event, ...fields }) };

  async function open() {
    const metrics = createMetrics("spec");
    const deps = { log, metrics: createCallMetrics(metrics), nowMs: Date.now, newId: () => "made" };
    const served = serve(ConfigService, methods as MethodsOf<typeof ConfigService>); // the cases call no others
    const server = await openServer([served], { host: "127.0.0.1", port: 0, tls: null }, deps);
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` });
    return { server, metrics, client: createClient(ConfigService, transport) };
  }

  it("stops working when its deadline passes or its caller leaves", async () => {
    const { server, client, metrics } = await open();
    const late = await failureOf(client.getConfig({}, { timeoutMs: 50 }));
    assert.equal(late.code, Code.DeadlineExceeded);
    await until(() => calls[0]?.signal.aborted, { what: "the work to stop" });
    const leave = new AbortController();
    const left = failureOf(client.getConfig({}, { signal: leave.signal }));
    await until(() => calls.length === 2, { what: "the call to arrive" });
    leave.abort();
    assert.equal((await left).code, Code.Canceled);
    await until(() => calls[1]?.signal.aborted, { what: "the work to stop" });
    await until(async () => /calls_running\S* 0/.test(await metrics.render()), { what: "no running call" });
    await server.drain(1_000);
  });

  it("keeps the cause of an internal error for the log", async () => {
    const { server, client } = await open();
    const error = await failureOf(client.listConfigs({}));
    assert.equal(error.code, Code.Internal);
    assert.doesNotMatch(error.rawMessage, /secret/);
    assert.match(error.rawMessage, /request id made/);
    assert.deepEqual(logged, [
      { event: "call.failed", method: "muster.v1.ConfigService/ListConfigs", request_id: "made", error: boom },
    ]);
    assert.equal((await failureOf(client.getRevision({}))).code, Code.ResourceExhausted);
    await server.drain(1_000);
  });

  it("is cut when a drain has waited long enough", async () => {
    const { server, client } = await open();
    const cut = failureOf(client.getConfig({}));
    await until(() => calls.length >= 3, { what: "the call to arrive" });
    await server.drain(20);
    await cut;
  });
});

describe("a drain", () => {
  it("ends watches with UNAVAILABLE, says NOT_SERVING and frees the port", async () => {
    const api = await startApi();
    const stream = api.agents.watchAgents({})[Symbol.asyncIterator]();
    await next(stream, ({ event }) => event.case);
    const ended = failureOf(stream.next());
    await api.stop();
    const error = await ended;
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /shutting down/);
  });

  it("refuses a port in use with the variable to set", async () => {
    const api = await startApi();
    const deps = {
      log: silentLogger,
      metrics: createCallMetrics(createMetrics("spec")),
      nowMs: Date.now,
      newId: () => "",
    };
    const again = openServer([], { host: "127.0.0.1", port: api.server.port, tls: null }, deps);
    await assert.rejects(again, /MUSTER_MANAGEMENT_PORT/);
    await api.stop();
  });
});
