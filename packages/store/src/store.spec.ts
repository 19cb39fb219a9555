import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FleetError, parseConfigId } from "@muster/fleet";
import { freePort, startRedis, trackLeaks, until } from "@muster/testkit";
import { isRedisAway, toFleetError } from "./redis.ts";
import { useStore } from "./spec-store.ts";
import { openStore } from "./store.ts";

describe("openStore", () => {
  const spec = useStore();
  const head = { description: "", selector: "", order: 100, isFragment: false, createdAtMs: 1, updatedAtMs: 1 };

  it("refuses another number of partitions than the installation has, and says what to set", async () => {
    await spec.open({ partitions: 8 });
    await assert.rejects(spec.open({ partitions: 4 }), (error) => {
      assert.ok(error instanceof FleetError && error.reason === "PARTITIONS_FIXED");
      assert.equal(error.message, "This installation has 8 partitions, not 4; set MUSTER_PARTITIONS=8.");
      return true;
    });
    assert.equal((await spec.open({ partitions: 8 })).partitions, 8);
  });

  it("lets one of two that install at once win", async () => {
    const outcomes = await Promise.allSettled([spec.open({ partitions: 8 }), spec.open({ partitions: 16 })]);
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  });

  for (const role of ["redisUrl", "controlUrl"] as const) {
    it(`says in one sentence that Redis at ${role} does not answer, in time, without the password`, async () => {
      const leaks = trackLeaks();
      const url = `redis://user:secret@127.0.0.1:${await freePort()}`;
      await assert.rejects(spec.open({ [role]: url, connectTimeoutMs: 300 }), (error) => {
        assert.ok(error instanceof FleetError && error.code === "unavailable");
        assert.match(error.message, /^Redis at redis:\/\/127\.0\.0\.1:\d+ does not answer; start it, or set \w+/);
        return true;
      });
      await leaks.assertNone({ timeoutMs: 5_000 });
    });
  }

  it("opens once a Redis that was late is there", async () => {
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    let tries = 0;
    const opening = openStore({
      redisUrl: url,
      controlUrl: url,
      partitions: 4,
      encryptionKey: new Uint8Array(32),
      onError: () => {
        tries += 1;
      },
    });
    await until(() => tries > 0);
    const server = await startRedis({ port, isSingle: true });
    const store = await opening;
    assert.equal(store.isReady(), true);
    store.close();
    await server.stop();
  });

  it("keeps control state and fleet state apart when they have a Redis each", async () => {
    const other = await startRedis();
    const store = await spec.open({ controlUrl: other.url });
    await store.configs.create({ ...head, id: parseConfigId("base") }, "");
    await store.gateways.incarnation();
    assert.deepEqual(await spec.keys("*"), ["muster:fleet:incarnation"]);
    await spec.wipe();
    assert.equal((await store.configs.get(parseConfigId("base")))?.config.id, "base");
    await other.kill9();
    await until(() => !store.isReady());
    await other.restart();
    await until(() => store.isReady());
    store.close();
    await other.stop();
  });

  it("fails what is asked for while Redis is away at once, and works again by itself", async () => {
    const server = await startRedis();
    const store = await spec.open({ redisUrl: server.url, controlUrl: server.url });
    await server.kill9();
    await until(() => !store.isReady());
    await assert.rejects(store.gateways.incarnation(), (error) => {
      assert.ok(isRedisAway(error), String(error));
      assert.equal(toFleetError(error).code, "unavailable");
      return true;
    });
    await server.restart();
    await until(() => store.isReady());
    assert.notEqual((await store.gateways.incarnation()).id, "");
    store.close();
    await server.stop();
  });

  const errors: readonly (readonly [error: unknown, code: string])[] = [
    [new FleetError("conflict", "it moved"), "conflict"],
    [new Error("Command timed out"), "unavailable"],
    [new Error("connect ECONNREFUSED 127.0.0.1:6379"), "unavailable"],
    [new Error("LOADING Redis is loading the dataset in memory"), "unavailable"],
    [new Error("WRONGTYPE Operation against a key"), "internal"],
    ["a string", "internal"],
  ];
  for (const [error, code] of errors) {
    it(`calls ${String(error)} ${code}`, () => {
      assert.equal(toFleetError(error).code, code);
    });
  }
});
