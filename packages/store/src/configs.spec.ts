import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ConfigFile, FleetError, hashFiles, parseConfigId } from "@muster/fleet";
import type { ConfigHead } from "./configs.ts";
import { useStore } from "./spec-store.ts";

const aHead = (id = "base", rest: Partial<ConfigHead> = {}): ConfigHead => ({
  id: parseConfigId(id),
  description: "",
  selector: "env=prod",
  order: 100,
  isFragment: false,
  createdAtMs: 1,
  updatedAtMs: 1,
  ...rest,
});
const aRevision = (text = "a: 1", id = "base") => {
  const files: readonly ConfigFile[] = [{ name: "main.yaml", contentType: "text/yaml", body: Buffer.from(text) }];
  return {
    configId: parseConfigId(id),
    hash: hashFiles(files),
    files,
    message: "why",
    author: "ann",
    variables: [],
    secrets: [],
    createdAtMs: 5,
  };
};
const fails = (code: string, reason: string) => (error: unknown) =>
  error instanceof FleetError && error.code === code && error.reason === reason;

describe("configs", () => {
  const spec = useStore();
  const configs = () => spec.store.configs;

  it("creates a config and reads it back", async () => {
    const { createdAtMs, ...head } = aHead();
    const expected = {
      config: { ...head, createdAtMs, generation: 1, latestRevision: 0 },
      stableRevision: 0,
      activeRollout: null,
    };
    assert.deepEqual(await configs().create(aHead(), ""), expected);
    assert.deepEqual(await configs().get(head.id), expected);
    assert.equal(await configs().get(parseConfigId("other")), undefined);
  });

  it("lists full pages though one is deleted meanwhile", async () => {
    for (const id of ["a", "b", "c", "d"]) await configs().create(aHead(id), "");
    await spec.redis.del("muster:{ctl}:config:b"); // its id is read, and then it is gone
    const ids = async (after: string, limit: number) =>
      (await configs().list(after, limit)).map(({ config }) => config.id);
    assert.deepEqual([await ids("", 2), await ids("c", 2)], [["a", "c"], ["d"]]);
  });

  it("refuses an id that is taken, and answers the repeat of a request", async () => {
    const first = await configs().create(aHead(), "request-1");
    assert.deepEqual(await configs().create(aHead(), "request-1"), first);
    await assert.rejects(configs().create(aHead(), ""), fails("already_exists", "CONFIG_EXISTS"));
    await assert.rejects(configs().create(aHead(), "request-2"), fails("already_exists", "CONFIG_EXISTS"));
  });

  it("lets one of many creators of one id succeed", async () => {
    const tries = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => configs().create(aHead(), `r${i}`)));
    assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
  });

  it("replaces the generation that was read, and no other", async () => {
    await configs().create(aHead(), "");
    const changed = aHead("base", { selector: "env=dev" });
    const updated = await configs().update(changed, 1, "request-1");
    assert.deepEqual([updated.config.generation, updated.config.selector], [2, "env=dev"]);
    assert.deepEqual(await configs().update(changed, 1, "request-1"), updated, "the repeat of the request");
    await assert.rejects(configs().update(changed, 1, ""), fails("conflict", "GENERATION_MISMATCH"));
    await assert.rejects(configs().update(aHead("other"), 1, ""), fails("not_found", "CONFIG_NOT_FOUND"));
  });

  it("lets one of many editors of one generation succeed", async () => {
    await configs().create(aHead(), "");
    const tries = await Promise.allSettled(
      Array.from({ length: 20 }, (_, order) => configs().update(aHead("base", { order }), 1, "")),
    );
    assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await configs().get(aHead().id))?.config.generation, 2);
  });

  it("lists in the order of the ids, a page at a time", async () => {
    for (const id of ["c", "a", "b-1", "b"]) await configs().create(aHead(id), "");
    const ids = async (after: string, limit: number) =>
      (await configs().list(after, limit)).map(({ config }) => config.id);
    assert.deepEqual(await ids("", 10), ["a", "b", "b-1", "c"]);
    assert.deepEqual(await ids("a", 2), ["b", "b-1"]);
    assert.deepEqual(await ids("c", 2), []);
  });

  it("publishes bodies byte for byte", async () => {
    await configs().create(aHead(), "");
    const files = [{ name: "x", contentType: "application/octet-stream", body: Buffer.from([0, 255, 10, 13, 128]) }];
    const published = await configs().publish({ ...aRevision(), files, hash: hashFiles(files) }, "");
    assert.deepEqual(published, { ...aRevision(), files, hash: hashFiles(files), number: 1 });
    assert.deepEqual(await configs().revision(aHead().id, 1), published);
  });

  it("numbers revisions, and takes the latest content again for the latest revision", async () => {
    await configs().create(aHead(), "");
    const numbers = [];
    for (const text of ["a: 1", "a: 1", "a: 2", "a: 1"]) {
      numbers.push((await configs().publish(aRevision(text), "")).number);
    }
    assert.deepEqual(numbers, [1, 1, 2, 3]);
    assert.equal((await configs().get(aHead().id))?.config.latestRevision, 3);
    assert.equal((await configs().revision(aHead().id, 0))?.number, 3, "0 is the latest");
    assert.equal(await configs().revision(aHead().id, 4), undefined);
  });

  it("numbers without a gap though many publish at once", async () => {
    await configs().create(aHead(), "");
    const many = Array.from({ length: 20 }, (_, i) => configs().publish(aRevision(`a: ${i}`), `request-${i}`));
    const numbers = (await Promise.all(many)).map(({ number }) => number);
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    assert.equal((await configs().publish(aRevision("a: 7"), "request-7")).hash, aRevision("a: 7").hash);
    assert.equal((await configs().get(aHead().id))?.config.latestRevision, 20);
  });

  it("refuses a revision of a config that does not exist", async () => {
    await assert.rejects(configs().publish(aRevision(), "request-1"), fails("not_found", "CONFIG_NOT_FOUND"));
  });

  it("does not take a request for another config as the repeat of one", async () => {
    for (const id of ["base", "other"]) await configs().create(aHead(id), "");
    for (let i = 0; i < 3; i++) await configs().publish(aRevision(`a: ${i}`), "");
    await configs().publish(aRevision("a: 9"), "request-1");
    assert.equal((await configs().publish(aRevision("b: 1", "other"), "request-1")).number, 1);
    await configs().update(aHead("base", { order: 1 }), 1, "request-2");
    assert.equal((await configs().update(aHead("other", { order: 2 }), 1, "request-2")).config.order, 2);
  });

  it("deletes a config with its revisions, and only the generation that was read", async () => {
    await configs().create(aHead(), "");
    await configs().publish(aRevision(), "");
    await assert.rejects(configs().delete(aHead().id, 2, false), fails("conflict", "GENERATION_MISMATCH"));
    await configs().delete(aHead().id, 1, true);
    assert.notEqual(await configs().get(aHead().id), undefined, "it was only asked");
    await configs().delete(aHead().id, 1, false);
    assert.equal(await configs().get(aHead().id), undefined);
    assert.equal(await configs().revision(aHead().id, 1), undefined);
    await assert.rejects(configs().delete(aHead().id, 1, false), fails("not_found", "CONFIG_NOT_FOUND"));
  });

  it("refuses a revision that rests on another latest one", async () => {
    await configs().create(aHead(), "");
    await configs().publish(aRevision("a: 1"), "");
    await assert.rejects(configs().publish(aRevision("a: 2"), "", 4), fails("conflict", "REVISION_MISMATCH"));
    assert.equal((await configs().publish(aRevision("a: 2"), "", 1)).number, 2);
  });

  it("reads what was written before configs had parts and revisions authors", async () => {
    await configs().create(aHead(), "");
    const { isFragment: _, ...head } = aHead();
    await spec.redis.hset("muster:{ctl}:config:base", "json", JSON.stringify(head));
    assert.equal((await configs().get(aHead().id))?.config.isFragment, false);
    const { hash, message, createdAtMs } = aRevision();
    await spec.redis.hset(
      "muster:{ctl}:config:base:revisions",
      1,
      JSON.stringify({ hash, files: [], message, createdAtMs }),
    );
    assert.equal((await configs().revision(aHead().id, 1))?.author, "");
  });

  it("lists revisions from the newest", async () => {
    await configs().create(aHead(), "");
    for (let i = 1; i <= 5; i++) await configs().publish(aRevision(`a: ${i}`), "");
    const numbers = async (before: number, limit: number) =>
      (await configs().revisions(aHead().id, before, limit)).map(({ number }) => number);
    assert.deepEqual(await numbers(0, 10), [5, 4, 3, 2, 1]);
    assert.deepEqual(await numbers(4, 2), [3, 2]);
    assert.deepEqual(await numbers(1, 2), []);
  });
});
