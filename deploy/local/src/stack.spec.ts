// The stack with services of straw: names, ports, environments, crashes and ends. The real ones are tested end to end.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { freePort, isFree, until } from "@muster/testkit";
import {
  ensureEncryptionKey,
  type ServiceProcess,
  type Stack,
  type StackOptions,
  startStack,
  withoutSettings,
} from "./stack.ts";

const never = new AbortController().signal;
const entry = new URL("fixtures/example-service.ts", import.meta.url).pathname;

async function envOf({ healthUrl }: ServiceProcess): Promise<Record<string, string>> {
  const response = await fetch(`${healthUrl}/env`, { headers: { connection: "close" } });
  return (await response.json()) as Record<string, string>;
}

describe("startStack", () => {
  let stateDir = "";
  let stack: Stack | null = null;
  const start = async (options: Partial<StackOptions> = {}) => {
    const redisUrl = "redis://127.0.0.1:1";
    stack = await startStack({ stateDir, redisUrl, entryOf: () => entry, ...options }, never);
    return stack;
  };
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), "muster-stack-"));
  });
  afterEach(async () => {
    await stack?.stop();
    stack = null;
    rmSync(stateDir, { recursive: true, force: true });
  });

  it("starts one process of each service on ports of its own, and ends them", async () => {
    const { processes, opampUrls, managementUrl, stop } = await start();
    assert.deepEqual(
      processes.map(({ name }) => name),
      ["gateway", "projector", "rollout", "management"],
    );
    assert.match(opampUrls.join(), /^ws:\/\/127\.0\.0\.1:\d+\/v1\/opamp$/);
    assert.match(managementUrl, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(await stop(), true);
    assert.ok(processes.every((each) => each.pid() === null));
  });

  it("tells each process what it is, and keeps outside settings away", async () => {
    process.env["MUSTER_STRAY"] = "x";
    const { of } = await start({ controlRedisUrl: "redis://127.0.0.1:2", env: { rollout: { EXTRA: "1" } } });
    delete process.env["MUSTER_STRAY"];
    const gateway = await envOf(of("gateway")[0]);
    assert.equal(gateway["REDIS_URL"], "redis://127.0.0.1:1");
    assert.equal(gateway["MUSTER_CONTROL_REDIS_URL"], "redis://127.0.0.1:2");
    assert.equal(gateway["MUSTER_GATEWAY_PORT"], `${of("gateway")[0].port}`);
    assert.equal(gateway["MUSTER_GATEWAY_HOST"], "127.0.0.1");
    assert.equal(gateway["MUSTER_ENCRYPTION_KEY"], ensureEncryptionKey(stateDir));
    assert.equal(gateway["MUSTER_STRAY"], undefined);
    assert.equal(gateway["EXTRA"], undefined);
    const rollout = await envOf(of("rollout")[0]);
    assert.equal(rollout["EXTRA"], "1");
    assert.equal(rollout["MUSTER_GATEWAY_ID"], undefined);
  });

  it("runs several gateways, each with an id of its own, and a new one after a restart", async () => {
    const { of, opampUrls } = await start({ services: { gateway: 2, projector: 0, rollout: 0, management: 0 } });
    const gateways = of("gateway");
    assert.deepEqual(
      gateways.map(({ name }) => name),
      ["gateway-1", "gateway-2"],
    );
    assert.equal(new Set(opampUrls).size, 2);
    const ids = await Promise.all(gateways.map(async (each) => (await envOf(each))["MUSTER_GATEWAY_ID"]));
    await gateways[0].kill9();
    await gateways[0].restart();
    const again = await envOf(gateways[0]);
    assert.equal(new Set([...ids, again["MUSTER_GATEWAY_ID"]]).size, 3);
    assert.equal(again["MUSTER_GATEWAY_PORT"], `${gateways[0].port}`);
    assert.throws(() => of("projector"), /has no projector/);
  });

  it("uses fixed ports when it is told to, one for all gateways", async () => {
    const ports = { opamp: await freePort(), management: await freePort(), health: await freePort() };
    const { processes, opampUrls } = await start({ ports, services: { gateway: 2, projector: 0, rollout: 0 } });
    assert.deepEqual(new Set(opampUrls).size, 1);
    assert.deepEqual(
      processes.map(({ healthUrl }) => Number(new URL(healthUrl).port) - ports.health),
      [0, 1, 2],
    );
  });

  it("leaves nothing running when one service does not start", async () => {
    const health = await freePort();
    const ports = { opamp: await freePort(), management: await freePort(), health };
    await assert.rejects(start({ ports, env: { projector: { EXAMPLE_MODE: "fails" } } }), {
      name: "Remedy",
      message: /^projector ended with exit code 1: no store at 127\.0\.0\.1:1; see .*projector\.log\.$/,
    });
    for (const offset of [0, 1, 2, 3]) assert.ok(await isFree(health + offset));
  });

  it("reports a process that crashes, and not what it ends itself", async () => {
    const crashes: string[] = [];
    const { of, stop } = await start({ onCrash: (crash) => crashes.push(crash.sentence) });
    await of("projector")[0].kill9();
    process.kill(of("rollout")[0].pid() ?? 0, "SIGKILL");
    await until(() => crashes.length > 0, { what: "the crash" });
    await stop();
    assert.equal(crashes.length, 1);
    assert.match(crashes[0] ?? "", /^rollout ended by SIGKILL; see .*rollout\.log\.$/);
  });
});

describe("ensureEncryptionKey", () => {
  it("makes 32 bytes once, for the owner alone", () => {
    const dir = mkdtempSync(join(tmpdir(), "muster-key-"));
    const key = ensureEncryptionKey(dir);
    assert.equal(Buffer.from(key, "base64").length, 32);
    assert.equal(ensureEncryptionKey(dir), key);
    assert.equal(statSync(join(dir, "encryption-key")).mode & 0o777, 0o600);
    rmSync(dir, { recursive: true });
  });
});

describe("withoutSettings", () => {
  it("takes away what would configure a service, and what npm left", () => {
    const env = { PATH: "/bin", HOME: "/h", REDIS_URL: "x", MUSTER_GATEWAY_ID: "x", npm_config_cache: "x" };
    assert.deepEqual(withoutSettings(env), { PATH: "/bin", HOME: "/h" });
  });
});
