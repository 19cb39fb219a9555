import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { FleetError } from "@muster/fleet";
import { UNUSED_BODY_TTL_S } from "./bodies.ts";
import { serverOf } from "./cluster.ts";
import { fleetKeys } from "./keys.ts";
import { useStore } from "./spec-store.ts";

const SECRET = "password: hunter2-correct-horse-battery";
const body = Buffer.from(`exporters:\n  otlp:\n    ${SECRET}\n`);

describe("bodies", () => {
  const spec = useStore();
  const key = (address: string): string => `muster:{1}:body:${address}`;
  const put = async (content = body): Promise<string> => {
    const address = spec.store.bodies.addressOf(content);
    await spec.store.bodies.put(1, address, content);
    return address;
  };

  /** Bytes of keys and arguments that the server of the partition has been sent. */
  const written = async (): Promise<number> => {
    const server = await serverOf(spec.redis, fleetKeys.bodyUses(1));
    return Number(/total_net_input_bytes:(\d+)/.exec(await server.info("stats"))?.[1]);
  };

  for (const content of [body, Buffer.alloc(0), randomBytes(100_000)]) {
    it(`reads ${content.byteLength} bytes back as they were`, async () => {
      assert.deepEqual(await spec.store.bodies.get(1, await put(content)), content);
    });
  }

  it("stores nothing from which the content can be read", async () => {
    const address = await put();
    const stored = await spec.redis.getBuffer(key(address));
    assert.ok(stored !== null && stored.byteLength > body.byteLength);
    for (let from = 0; from + 8 <= SECRET.length; from++) {
      assert.ok(!stored.includes(SECRET.slice(from, from + 8)), "not even a part of it");
    }
    const keys = await spec.keys("*");
    assert.ok(keys.every((name) => !name.includes("hunter2")));
  });

  it("gives the same content the same address under one key, and another under another key", async () => {
    const other = await spec.open({ encryptionKey: new Uint8Array(32).fill(8) });
    assert.equal(spec.store.bodies.addressOf(body), (await spec.open()).bodies.addressOf(Buffer.from(body)));
    assert.notEqual(spec.store.bodies.addressOf(body), other.bodies.addressOf(body));
    assert.notEqual(spec.store.bodies.addressOf(body), spec.store.bodies.addressOf(body.subarray(1)));
  });

  it("says which setting to check when the key is not the one", async () => {
    const address = await put();
    const other = await spec.open({ encryptionKey: new Uint8Array(32).fill(8) });
    await assert.rejects(other.bodies.get(1, address), (error) => {
      assert.ok(error instanceof FleetError && error.code === "internal");
      assert.match(error.message, /MUSTER_ENCRYPTION_KEY/);
      return true;
    });
  });

  it("refuses a body that was tampered with", async () => {
    const address = await put();
    const stored = (await spec.redis.getBuffer(key(address))) ?? Buffer.alloc(0);
    stored.writeUInt8(stored.readUInt8(20) ^ 1, 20);
    await spec.redis.set(key(address), stored);
    await assert.rejects(spec.store.bodies.get(1, address), FleetError);
  });

  it("refuses what is too short to be a sealed body", async () => {
    await spec.redis.set(key("short"), "x");
    await assert.rejects(spec.store.bodies.get(1, "short"), FleetError);
  });

  it("stores a body once, and keeps it while it is put again", async () => {
    const address = await put();
    const first = await spec.redis.getBuffer(key(address));
    await spec.redis.expire(key(address), 10);
    await put();
    assert.deepEqual(await spec.redis.getBuffer(key(address)), first, "not sealed anew");
    assert.ok((await spec.redis.ttl(key(address))) > UNUSED_BODY_TTL_S - 60);
  });

  it("stores what many put at once, and keeps for good what a view refers to already", async () => {
    const contents = Array.from({ length: 150 }, (_, i) => Buffer.from(`body ${i}`));
    const used = spec.store.bodies.addressOf(contents[7] ?? body);
    await spec.redis.hset("muster:{1}:body-uses", used, 1);
    await put(contents[3]);
    const addresses = await Promise.all([...contents, body, body].map(put));
    for (const [i, content] of contents.entries()) {
      assert.deepEqual(await spec.store.bodies.get(1, addresses[i] ?? ""), content);
    }
    assert.equal(await spec.redis.ttl(key(used)), -1);
    const others = await Promise.all(addresses.filter((one) => one !== used).map((one) => spec.redis.ttl(key(one))));
    assert.ok(others.every((ttl) => ttl > UNUSED_BODY_TTL_S - 60 && ttl <= UNUSED_BODY_TTL_S));
  });

  it("stores nothing of what Redis has no room for, and says so", async () => {
    const server = await serverOf(spec.redis, fleetKeys.bodyUses(1));
    const { 1: before = "0" } = (await server.config("GET", "maxmemory")) as readonly string[];
    await server.config("SET", "maxmemory", 1);
    try {
      await assert.rejects(put(), /OOM/);
    } finally {
      await server.config("SET", "maxmemory", before);
    }
    assert.equal(await spec.store.bodies.get(1, spec.store.bodies.addressOf(body)), undefined);
    await put();
  });

  it("stores those of one content once, though many put it at the same moment", async () => {
    const before = await written();
    const addresses = await Promise.all(Array.from({ length: 60 }, () => put()));
    assert.equal(new Set(addresses).size, 1);
    const bytes = (await written()) - before;
    assert.ok(bytes < 20 * body.byteLength, `${bytes} bytes were sent`);
  });

  it("stores more than fits into one command", async () => {
    const contents = Array.from({ length: 5 }, () => randomBytes(3 * 1024 * 1024));
    const addresses = await Promise.all(contents.map(put));
    for (const [i, content] of contents.entries()) {
      assert.ok((await spec.store.bodies.get(1, addresses[i] ?? ""))?.equals(content));
    }
    const ttls = await Promise.all(addresses.map((one) => spec.redis.ttl(key(one))));
    assert.ok(ttls.every((ttl) => ttl > 0));
  });

  it("copies a body to another partition as it is", async () => {
    const address = await put();
    await spec.store.bodies.copy(1, 3, address);
    assert.deepEqual(
      await spec.redis.getBuffer(`muster:{3}:body:${address}`),
      await spec.redis.getBuffer(key(address)),
    );
    assert.ok((await spec.redis.ttl(`muster:{3}:body:${address}`)) > 0);
    await spec.store.bodies.copy(1, 1, address);
    await spec.store.bodies.copy(1, 3, "nowhere");
    assert.equal(await spec.store.bodies.get(3, "nowhere"), undefined);
  });

  it("has no body where none was put", async () => {
    assert.equal(await spec.store.bodies.get(1, "nowhere"), undefined);
    const address = await put();
    assert.equal(await spec.store.bodies.get(2, address), undefined, "bodies live in the partition of their agents");
  });
});
