import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FleetError, parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { ACTION_LIFE_MS, MAX_QUEUED_ACTIONS, type QueuedAction } from "./actions.ts";
import { useStore } from "./spec-store.ts";

const uid = aUid();
const gateway = parseGatewayId("gw-1");
const restart = (actionId = "a-1"): QueuedAction => ({ actionId, kind: "restart", expiresAtMs: 9_000, message: null });
const message = (data: Uint8Array): QueuedAction => ({
  actionId: "m",
  kind: "custom_message",
  expiresAtMs: 9_000,
  message: { capability: "io.example.é", type: "t", data },
});

describe("actions", () => {
  const spec = useStore();
  const actions = () => spec.store.actions;
  const open = () => spec.store.sessions.open(uid, gateway, 0, null);
  const key = () => `muster:{${spec.store.sessions.partitionOf(uid)}}:actions:${uid}`;

  it("are left for nobody who is not connected", async () => {
    assert.equal(await actions().enqueue(uid, restart()), "not_connected");
    const { epoch } = await open();
    const checkpoint = { seq: 1n, state: "{}" };
    const session = { uid, epoch, state: "ended" as const, checkpoint, events: [], ending: null };
    await spec.store.sessions.flush(spec.store.sessions.partitionOf(uid), [session]);
    assert.equal(await actions().enqueue(uid, restart()), "not_connected");
    assert.equal(await actions().take(uid), undefined);
  });

  it("are taken in order, once, and the gateway that has the agent is named", async () => {
    await open();
    const data = Uint8Array.from([0, 255, 10]);
    assert.equal(await actions().enqueue(uid, restart()), gateway);
    await actions().enqueue(uid, message(data));
    await actions().enqueue(uid, message(new Uint8Array()));
    const [first, second, third] = [await actions().take(uid), await actions().take(uid), await actions().take(uid)];
    assert.deepEqual(first, restart());
    assert.deepEqual([...(second?.message?.data ?? [])], [...data]);
    assert.deepEqual([second?.message?.capability, third?.message?.data.byteLength], ["io.example.é", 0]);
    assert.equal(await actions().take(uid), undefined);
  });

  it("are given to one of two who take at once", async () => {
    await open();
    await actions().enqueue(uid, restart());
    const taken = await Promise.all(Array.from({ length: 10 }, () => actions().take(uid)));
    assert.equal(taken.filter((action) => action !== undefined).length, 1);
  });

  it("are refused when too many wait, until some were taken", async () => {
    await open();
    for (let i = 0; i < MAX_QUEUED_ACTIONS; i++) assert.equal(await actions().enqueue(uid, restart(`${i}`)), gateway);
    assert.equal(await actions().enqueue(uid, restart("one more")), "full");
    assert.equal((await actions().take(uid))?.actionId, "0");
    assert.equal(await actions().enqueue(uid, restart()), gateway);
  });

  it("are told of to a gateway that opens the session", async () => {
    assert.equal((await open()).hasActions, false);
    await actions().enqueue(uid, restart());
    assert.equal((await open()).hasActions, true);
    await actions().take(uid);
    assert.equal((await open()).hasActions, false);
  });

  it("are not readable in Redis, and go when they are not worth sending any more", async () => {
    await open();
    await actions().enqueue(uid, message(Buffer.from("hunter2-correct-horse")));
    const [sealed] = await spec.redis.lrangeBuffer(key(), 0, -1);
    assert.ok(sealed !== undefined && !sealed.includes("hunter2") && !sealed.includes("io.example"));
    const leftMs = await spec.redis.pttl(key());
    assert.ok(leftMs > ACTION_LIFE_MS - 10_000 && leftMs <= ACTION_LIFE_MS);
  });

  it("do not open under another key, nor as something else", async () => {
    await open();
    await actions().enqueue(uid, restart());
    const [sealed = Buffer.alloc(0)] = await spec.redis.lrangeBuffer(key(), 0, -1);
    await spec.redis.set("muster:{1}:body:stolen", sealed);
    await assert.rejects(spec.store.bodies.get(1, "stolen"), FleetError);
    const other = await spec.open({ encryptionKey: new Uint8Array(32).fill(8) });
    await assert.rejects(other.actions.take(uid), /MUSTER_ENCRYPTION_KEY/);
  });
});
