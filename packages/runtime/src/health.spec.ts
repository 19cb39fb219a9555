// The three endpoints over a real socket.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createMetrics } from "@muster/telemetry";
import { trackLeaks } from "@muster/testkit";
import { createHealth, type Health, type HealthServer, openHealthServer } from "./health.ts";

describe("openHealthServer", () => {
  let health: Health;
  let server: HealthServer;
  const leaks = trackLeaks();
  const get = (path: string, init?: RequestInit) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { ...init, headers: { connection: "close" } });

  beforeEach(async () => {
    const metrics = createMetrics("x");
    metrics.observe("muster_x_sessions", { help: "x", kind: "gauge" }, () => 3);
    health = createHealth();
    server = await openHealthServer({ host: "127.0.0.1", port: 0 }, health, metrics);
  });
  afterEach(async () => {
    await server.close();
    await leaks.assertNone();
  });

  it("takes any free port for 0 and says which", () => assert.ok(server.port > 0));

  it("says at /healthz that the process answers, whatever the checks say", async () => {
    health.check("redis", () => "away");
    const response = await get("/healthz");
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "ok\n");
  });

  it("is ready when every check is", async () => {
    health.check("redis", async () => null);
    health.check("loop", () => null);
    const response = await get("/readyz");
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { ready: true, checks: { redis: "ok", loop: "ok" } });
  });

  it("is not ready when one check is not, and says why", async () => {
    health.check("redis", () => null);
    health.check("lag", () => "12 s behind");
    health.check("broken", () => {
      throw new Error("no route");
    });
    const response = await get("/readyz");
    assert.equal(response.status, 503);
    assert.deepEqual(await response.json(), {
      ready: false,
      checks: { redis: "ok", lag: "12 s behind", broken: "no route" },
    });
  });

  it("fails a check that does not answer", async () => {
    health.check("stuck", () => new Promise(() => {}));
    const body = (await (await get("/readyz")).json()) as { checks: Record<string, string> };
    assert.match(body.checks["stuck"] ?? "", /no answer within 2000 ms/);
  });

  it("serves metrics as Prometheus text", async () => {
    const response = await get("/metrics?x=1");
    assert.match(response.headers.get("content-type") ?? "", /version=0\.0\.4/);
    assert.match(await response.text(), /^muster_x_sessions 3$/m);
  });

  it("answers 404 and 405 with a hint", async () => {
    assert.equal((await get("/nope")).status, 404);
    assert.equal((await get("/healthz", { method: "POST" })).status, 405);
  });
});
