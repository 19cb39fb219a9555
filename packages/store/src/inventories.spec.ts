import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createInventories, INVENTORY_TTL_S, MAX_INVENTORIES } from "./inventories.ts";
import { fleetKeys } from "./keys.ts";
import { useStore } from "./spec-store.ts";

describe("inventories", () => {
  const spec = useStore();

  it("are kept once for everybody who has that hash, sealed, for long after the last of them", async () => {
    const { inventories } = spec.store;
    const address = inventories.addressOf("aa");
    assert.notEqual(address, inventories.addressOf("ab"));
    assert.deepEqual([await inventories.has(address), await inventories.get(address)], [false, undefined]);
    await inventories.put(address, Buffer.from("receivers"), ["receivers/otlp"]);
    await inventories.put(address, Buffer.from("others"), []); // the first word counts
    assert.equal(String(await inventories.get(address)), "receivers");
    assert.deepEqual(await inventories.components(address), ["receivers/otlp"]);
    assert.equal(await inventories.components("elsewhere"), undefined);
    assert.ok(!(await spec.redis.getBuffer(fleetKeys.inventory(address)))?.includes("receivers"));
    await spec.redis.expire(fleetKeys.inventory(address), 10);
    assert.equal(await inventories.has(address), true);
    assert.equal(await spec.redis.ttl(fleetKeys.inventory(address)), INVENTORY_TTL_S, "looking it up keeps it");
  });

  it("are bounded in number: those go that nobody looked up for longest", async () => {
    const { inventories } = spec.store;
    for (let i = 0; i < MAX_INVENTORIES; i++) await spec.redis.zadd("muster:inventories", String(i), `filler ${i}`);
    await spec.redis.set(fleetKeys.inventory("filler 0"), "x");
    await inventories.put(inventories.addressOf("new"), Buffer.from("x"), []);
    assert.equal(await inventories.has(inventories.addressOf("new")), true);
    assert.equal(await spec.redis.exists(fleetKeys.inventory("filler 0")), 0);
    assert.equal(await spec.redis.zcard("muster:inventories"), MAX_INVENTORIES);
  });

  it("do not open under another installation's key", async () => {
    const address = spec.store.inventories.addressOf("aa");
    await spec.store.inventories.put(address, Buffer.from("receivers"), ["receivers/otlp"]);
    const other = createInventories(spec.redis, new Uint8Array(32).fill(8));
    await assert.rejects(other.get(address), /MUSTER_ENCRYPTION_KEY/);
  });
});
