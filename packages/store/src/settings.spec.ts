import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SettingsKind } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { createSettings } from "./settings.ts";
import { useStore } from "./spec-store.ts";

const [a, b] = [aUid(1), aUid(2)];
const body = Buffer.from("Authorization: hunter2-correct-horse");

describe("settings", () => {
  const spec = useStore();
  const settings = () => spec.store.settings;
  const put = (uid = a, kind: SettingsKind = "connection", hash = "aa") =>
    settings().change(uid, kind, () => ({ hash, body, setAtMs: 1_700_000_000_123 }));
  const withdraw = (uid: typeof a, kind: SettingsKind) => settings().change(uid, kind, () => null);
  const hashes = async (uid: typeof a) => {
    const { connection, packages } = await settings().load(uid);
    return [connection?.hash ?? null, packages?.hash ?? null];
  };

  it("are read back as they were put, a kind apart from the other", async () => {
    assert.deepEqual(await settings().load(a), { connection: null, packages: null });
    await put();
    assert.deepEqual(await settings().load(a), {
      connection: { hash: "aa", setAtMs: 1_700_000_000_123, body },
      packages: null,
    });
    await put(a, "packages", "bb");
    assert.deepEqual(await hashes(a), ["aa", "bb"]);
    await put(a, "connection", "cc");
    assert.deepEqual(await hashes(a), ["cc", "bb"]);
    assert.deepEqual(await hashes(b), [null, null]);
  });

  it("are read for many at once, also where those of one cannot be", async () => {
    await put(a, "packages", "bb");
    const [noSeal, otherType] = [aUid(3), aUid(4)];
    await spec.redis.hset(`muster:{ctl}:settings:${noSeal}`, "connection", "no seal of ours");
    await spec.redis.set(`muster:{ctl}:settings:${otherType}`, "no hash");
    const uids = [noSeal, otherType, a, ...Array.from({ length: 250 }, (_, i) => aUid(i + 10))];
    const [first, second, third, ...others] = await Promise.allSettled(uids.map((uid) => hashes(uid)));
    assert.deepEqual([first?.status, second?.status], ["rejected", "rejected"]);
    assert.deepEqual(third, { status: "fulfilled", value: [null, "bb"] });
    for (const one of others) assert.deepEqual(one, { status: "fulfilled", value: [null, null] });
  });

  it("are not readable in Redis", async () => {
    await put();
    const sealed = await spec.redis.hgetBuffer(`muster:{ctl}:settings:${a}`, "connection");
    assert.ok(sealed !== null && !sealed.includes("hunter2") && !sealed.includes("Authorization"));
  });

  it("are withdrawn once", async () => {
    await put();
    await put(a, "packages");
    await withdraw(a, "connection");
    assert.deepEqual(await hashes(a), [null, "aa"]);
    await withdraw(a, "connection");
    assert.deepEqual(await hashes(a), [null, "aa"]);
  });

  it("are decided on by what is offered when that is written, though others write in between", async () => {
    await put(a, "connection", "0");
    const add = () =>
      settings().change(a, "connection", (before) => ({ hash: `${Number(before?.hash) + 1}`, body, setAtMs: 1 }));
    await Promise.all([add(), add(), add(), add()]);
    assert.deepEqual(await hashes(a), ["4", null]);
  });

  it("stay as they are where that is decided, or it is refused", async () => {
    await put();
    const key = `muster:{ctl}:settings:${a}`;
    const sealed = await spec.redis.hgetBuffer(key, "connection");
    await settings().change(a, "connection", (before) => before);
    const refuse = () => {
      throw new Error("no");
    };
    await assert.rejects(settings().change(a, "connection", refuse), /no/);
    assert.deepEqual(await spec.redis.hgetBuffer(key, "connection"), sealed);
  });

  it("follow an agent to its new uid, but replace nothing there", async () => {
    await put(a, "connection", "old");
    await put(a, "packages", "old");
    await put(b, "packages", "new");
    await settings().move(a, b);
    assert.deepEqual(
      [await hashes(a), await hashes(b)],
      [
        [null, null],
        ["old", "new"],
      ],
    );
    await settings().move(a, b);
    assert.deepEqual(await hashes(b), ["old", "new"]);
    await settings().move(b, b);
    assert.deepEqual(await hashes(b), ["old", "new"]);
  });

  it("are on disk before they are answered, and a move that moves nothing waits for nothing", async () => {
    let settledCount = 0;
    const counting = createSettings(spec.redis, new Uint8Array(32).fill(7), async () => {
      settledCount += 1;
    });
    await counting.change(a, "connection", () => ({ hash: "aa", body, setAtMs: 1 }));
    await counting.move(a, b);
    await counting.change(b, "connection", () => null);
    assert.equal(settledCount, 3);
    await counting.move(a, b);
    assert.equal(settledCount, 3);
  });
});
