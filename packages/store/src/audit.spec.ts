import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AuditEntry, createAudit } from "./audit.ts";
import { controlKeys } from "./keys.ts";
import { useStore } from "./spec-store.ts";

function anEntry(id: string, fields: Partial<AuditEntry> = {}): AuditEntry {
  return {
    id,
    atMs: 1_000,
    user: "ana",
    peer: "127.0.0.1:5",
    callId: "c",
    requestId: "",
    method: "ConfigService/UpdateConfig",
    resource: "config/demo",
    request: "{}",
    before: "",
    after: "",
    outcome: "unknown",
    error: "",
    ...fields,
  };
}

describe("the audit", () => {
  const spec = useStore();
  const audit = () => spec.store.audit;
  const ids = async (before = "", limit = 10) => (await audit().list(before, limit)).map(({ id }) => id);

  it("keeps entries as they were begun until they are finished", async () => {
    await audit().begin(anEntry("a"));
    assert.deepEqual(await audit().list("", 10), [anEntry("a")]);
    const done = anEntry("a", { outcome: "done", after: '{"x":1}', resource: "config/other" });
    await audit().finish(done);
    assert.deepEqual(await audit().list("", 10), [done]);
  });

  it("is read newest first, from any place", async () => {
    for (const id of ["b", "d", "a", "c"]) await audit().begin(anEntry(id));
    assert.deepEqual(await ids(), ["d", "c", "b", "a"]);
    assert.deepEqual(await ids("c", 1), ["b"]);
    assert.deepEqual(await ids("a"), []);
  });

  it("forgets what was refused, and does not bring back what was forgotten", async () => {
    await audit().begin(anEntry("a"));
    await audit().drop("a");
    await audit().finish(anEntry("a", { outcome: "done" }));
    assert.deepEqual(await ids(), []);
  });

  it("keeps the newest", async () => {
    const few = createAudit(spec.redis, new Uint8Array(32).fill(7), 3);
    for (const id of ["a", "b", "c", "d", "e"]) await few.begin(anEntry(id));
    assert.deepEqual(await ids(), ["e", "d", "c"]);
    assert.equal(await spec.redis.hlen(controlKeys.audit), 3);
  });

  it("is sealed", async () => {
    await audit().begin(anEntry("a", { request: "somebody's words" }));
    const kept = await spec.redis.hget(controlKeys.audit, "a");
    assert.doesNotMatch(kept ?? "", /somebody/);
  });
});
