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
    settings().put(uid, kind, { hash, body }, 1_700_000_000_123);
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

  it("are not readable in Redis", async () => {
    await put();
    const sealed = await spec.redis.hgetBuffer(`muster:{ctl}:settings:${a}`, "connection");
    assert.ok(sealed !== null && !sealed.includes("hunter2") && !sealed.includes("Authorization"));
  });

  it("are withdrawn once", async () => {
    await put();
    await put(a, "packages");
    assert.deepEqual([await settings().withdraw(a, "connection"), await hashes(a)], [true, [null, "aa"]]);
    assert.equal(await settings().withdraw(a, "connection"), false);
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
    await counting.put(a, "connection", { hash: "aa", body }, 1);
    await counting.move(a, b);
    await counting.withdraw(b, "connection");
    assert.equal(settledCount, 3);
    await counting.move(a, b);
    assert.equal(settledCount, 3);
  });
});
