import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FleetError, parseSecretId } from "@muster/fleet";
import { useStore } from "./spec-store.ts";

const id = parseSecretId("token");
const aHead = (name = "token") => ({
  id: parseSecretId(name),
  description: "",
  author: "ann",
  createdAtMs: 1,
  updatedAtMs: 1,
});
const fails = (code: string, reason: string) => (error: unknown) =>
  error instanceof FleetError && error.code === code && error.reason === reason;

describe("secrets", () => {
  const spec = useStore();
  const secrets = () => spec.store.secrets;

  it("keep every version, and open each", async () => {
    assert.deepEqual(await secrets().put(aHead(), 0, "first"), { ...aHead(), version: 1 });
    assert.deepEqual(await secrets().put({ ...aHead(), updatedAtMs: 2 }, 1, "second"), {
      ...aHead(),
      updatedAtMs: 2,
      version: 2,
    });
    assert.equal((await secrets().get(id))?.version, 2);
    assert.equal(await secrets().open({ id, version: 1 }), "first");
    assert.equal(await secrets().open({ id, version: 2 }), "second");
    assert.equal(await secrets().open({ id, version: 3 }), undefined);
  });

  it("are nowhere in clear", async () => {
    await secrets().put(aHead(), 0, "swordfish");
    for (const key of await spec.keys("*")) {
      const dump = await spec.redis.dumpBuffer(key);
      assert.ok(!dump?.includes("swordfish"), key);
    }
  });

  it("do not open as one another", async () => {
    await secrets().put(aHead(), 0, "first");
    await secrets().put(aHead("other"), 0, "else");
    const sealed = await spec.redis.hgetBuffer("muster:{ctl}:secret:other", "v1");
    await spec.redis.hset("muster:{ctl}:secret:token", "v1", sealed ?? "");
    await assert.rejects(secrets().open({ id, version: 1 }), /holds another's value/);
  });

  it("take one of many writers of one version", async () => {
    await secrets().put(aHead(), 0, "first");
    const tries = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => secrets().put(aHead(), 1, `value ${i}`)),
    );
    assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
    await assert.rejects(secrets().put(aHead(), 1, "late"), fails("conflict", "VERSION_MISMATCH"));
    await assert.rejects(secrets().put(aHead(), 0, "new"), fails("already_exists", "SECRET_EXISTS"));
    await assert.rejects(secrets().put(aHead("other"), 1, "none"), fails("not_found", "SECRET_NOT_FOUND"));
  });

  it("are deleted with all versions, and never give a version another value", async () => {
    await secrets().put(aHead(), 0, "first");
    await assert.rejects(secrets().delete(id, 2), fails("conflict", "VERSION_MISMATCH"));
    await secrets().delete(id, 1);
    assert.deepEqual([await secrets().get(id), await secrets().open({ id, version: 1 })], [undefined, undefined]);
    assert.deepEqual(await secrets().list("", 10), []);
    await assert.rejects(secrets().delete(id, 1), fails("not_found", "SECRET_NOT_FOUND"));
    assert.equal((await secrets().put(aHead(), 0, "again")).version, 2);
    assert.equal(await secrets().open({ id, version: 1 }), undefined);
  });

  it("are listed in order, opened all, and counted when they change", async () => {
    for (const name of ["b", "a", "c"]) await secrets().put(aHead(name), 0, `value of ${name}`);
    await secrets().put(aHead("b"), 1, "newer");
    assert.deepEqual(
      (await secrets().list("a", 1)).map((each) => each.id),
      ["b"],
    );
    assert.deepEqual((await secrets().openAll()).map((each) => `${each.id}: ${each.value}`).sort(), [
      "a: value of a",
      "b: newer",
      "b: value of b",
      "c: value of c",
    ]);
    assert.equal(await secrets().changeCount(), 4);
  });
});
