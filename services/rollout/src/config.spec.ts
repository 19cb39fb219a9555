// What gates add to a worker's environment.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./config.ts";

const BASE = { REDIS_URL: "redis://127.0.0.1:6379", MUSTER_ENCRYPTION_KEY: Buffer.alloc(32).toString("base64") };

describe("parseConfig", () => {
  it("asks nobody unless it is told to", () => {
    const { prometheusUrl, prometheusToken, webhookSecret, webhookHosts } = parseConfig(BASE);
    assert.deepEqual(
      [prometheusUrl, prometheusToken, webhookSecret, webhookHosts],
      [undefined, undefined, undefined, []],
    );
  });

  it("takes everything that gates need", () => {
    const secret = `whsec_${Buffer.alloc(24, 1).toString("base64")}`;
    const config = parseConfig({
      ...BASE,
      MUSTER_ROLLOUT_PROMETHEUS_URL: "https://muster:secret@prometheus.example.com/prefix",
      MUSTER_ROLLOUT_PROMETHEUS_TOKEN: "token",
      MUSTER_ROLLOUT_WEBHOOK_SECRET: secret,
      MUSTER_ROLLOUT_WEBHOOK_HOSTS: "ci.example.com, 10.0.0.7:8080,[::1]:8080",
    });
    assert.equal(config.prometheusUrl, "https://muster:secret@prometheus.example.com/prefix");
    assert.deepEqual([config.prometheusToken?.(), config.webhookSecret?.()], ["token", secret]);
    assert.deepEqual(config.webhookHosts, ["ci.example.com", "10.0.0.7:8080", "[::1]:8080"]);
  });

  const refused = [
    { name: "MUSTER_ROLLOUT_PROMETHEUS_URL", text: "prometheus:9090", why: "a URL without a scheme of the web" },
    { name: "MUSTER_ROLLOUT_WEBHOOK_SECRET", text: "hunter2hunter2hunter2hunter2hunter2", why: "a secret of no kind" },
    { name: "MUSTER_ROLLOUT_WEBHOOK_SECRET", text: "whsec_c2hvcnQ=", why: "a secret that is too short" },
    { name: "MUSTER_ROLLOUT_WEBHOOK_HOSTS", text: "https://ci.example.com", why: "a URL where hosts are wanted" },
  ];
  for (const { name, text, why } of refused) {
    it(`refuses ${why}`, () => assert.throws(() => parseConfig({ ...BASE, [name]: text }), new RegExp(name)));
  }

  it("does not show a wrong secret", () => {
    const env = { ...BASE, MUSTER_ROLLOUT_WEBHOOK_SECRET: "hunter2" };
    assert.throws(
      () => parseConfig(env),
      (error) => !String(error).includes("hunter2"),
    );
  });
});
