import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import { createGateways, type Hint, LEASE_MS } from "./gateways.ts";
import { useStore } from "./spec-store.ts";

const [gw1, gw2] = [parseGatewayId("gw-1"), parseGatewayId("gw-2")];
const superseded = (n: number): Hint => ({ kind: "superseded", uid: aUid(n), epoch: n });

interface Reader {
  readonly hints: Hint[];
  gaps: number;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

describe("gateways", () => {
  const spec = useStore(["--appendonly", "yes"]);
  const gateways = () => spec.store.gateways;
  const running: Reader[] = [];
  afterEach(async () => {
    for (const reader of running.splice(0)) await reader.stop();
  });

  function read(of = gateways()): Reader {
    const controller = new AbortController();
    const hints: Hint[] = [];
    const onGap = (): void => {
      reader.gaps += 1;
    };
    const ended = of.readInbox(gw1, (hint) => hints.push(hint), onGap, controller.signal);
    const reader: Reader = {
      hints,
      ended,
      gaps: 0,
      stop() {
        controller.abort();
        return ended;
      },
    };
    running.push(reader);
    return reader;
  }

  it("counts a gateway as alive for the time of its lease, and remembers it longer", async () => {
    assert.equal(await gateways().isAlive(gw1), false);
    const beforeMs = Date.now();
    await gateways().renew(gw1, "{}");
    assert.equal(await gateways().isAlive(gw1), true);
    const leftMs = await spec.redis.pttl("muster:gateway:gw-1");
    assert.ok(leftMs > LEASE_MS - 2_000 && leftMs <= LEASE_MS, `${leftMs} ms are left`);
    await spec.redis.pexpire("muster:gateway:gw-1", 1); // as if the time were over
    await until(async () => !(await gateways().isAlive(gw1)));
    const [known] = await gateways().list();
    assert.deepEqual([known?.id, known?.isAlive], [gw1, false]);
    assert.ok((known?.renewedAtMs ?? 0) >= beforeMs);
    await gateways().forget(gw1);
    assert.deepEqual(await gateways().list(), []);
  });

  it("counts one that left as gone at once, and one that renews as alive", async () => {
    for (const id of [gw1, gw2]) await gateways().renew(id, "{}");
    await gateways().leave(gw1);
    const alive = (await gateways().list()).map(({ id, isAlive }) => [id, isAlive]);
    assert.deepEqual(alive, [
      [gw1, false],
      [gw2, true],
    ]);
    await gateways().renew(gw1, "{}");
    assert.equal(await gateways().isAlive(gw1), true);
  });

  it("tells a gateway whose lease ran out, and not one that is new or in time", async () => {
    const lapses: boolean[] = [];
    const renew = async () => lapses.push((await gateways().renew(gw1, "{}")).hadLapsed);
    await renew();
    await renew();
    await spec.redis.del("muster:gateway:gw-1");
    await renew();
    await renew();
    assert.deepEqual(lapses, [true, false, true, false], "the first has no lease to go on from");
  });

  it("hands hints over in order, those from before too, and says first that some may be lost", async () => {
    await gateways().hint(gw1, superseded(1));
    await gateways().hint(gw2, superseded(9));
    const seen: string[] = [];
    const controller = new AbortController();
    const ended = gateways().readInbox(
      gw1,
      (hint) => seen.push(JSON.stringify(hint)),
      () => seen.push("gap"),
      controller.signal,
    );
    await until(() => seen.length === 2);
    await gateways().hint(gw1, { kind: "desired", uids: [aUid(2), aUid(3)] });
    await until(() => seen.length === 3);
    const desired: Hint = { kind: "desired", uids: [aUid(2), aUid(3)] };
    assert.deepEqual(seen, ["gap", JSON.stringify(superseded(1)), JSON.stringify(desired)]);
    controller.abort();
    await ended;
  });

  it("counts the gateways that renewed within a lease, itself always", async () => {
    assert.equal((await gateways().renew(gw1, "{}")).liveCount, 1);
    assert.equal((await gateways().renew(gw2, "{}")).liveCount, 2);
    await spec.redis.zadd("muster:gateways", String(Date.now() - LEASE_MS - 1_000), "gw-2");
    assert.equal((await gateways().renew(gw1, "{}")).liveCount, 1);
  });

  it("lets an inbox nobody reads go", async () => {
    await gateways().hint(gw1, superseded(1));
    assert.ok((await spec.redis.ttl("muster:gateway:gw-1:inbox")) > 0);
  });

  it("says that hints may be lost after Redis restarted, and goes on", async () => {
    const reader = read();
    await until(() => reader.gaps === 1);
    await gateways().hint(gw1, superseded(1));
    await until(() => reader.hints.length === 1);
    await spec.server.kill9();
    await spec.server.restart();
    await until(() => reader.gaps >= 2);
    const hint = () => gateways().hint(gw1, superseded(2));
    // Each server of a cluster is there again at a time of its own.
    await until(() =>
      hint().then(
        () => true,
        () => false,
      ),
    );
    await until(() => reader.hints.some((hint) => "epoch" in hint && hint.epoch === 2));
  });

  it("stops reading at once when it is asked to, and not when a wait is over", async () => {
    const reader = read();
    await until(() => reader.gaps === 1);
    let isDone = false;
    void reader.stop().then(() => {
      isDone = true;
    });
    await until(() => isDone, { timeoutMs: 2_000 });
  });

  it("hears hints after the fleet state was wiped", async () => {
    const reader = read();
    await gateways().hint(gw1, superseded(1));
    await until(() => reader.hints.length === 1);
    await spec.wipe();
    await gateways().hint(gw1, superseded(2));
    await until(() => reader.hints.length === 2);
  });

  it("passes over a hint that cannot be read", async () => {
    const errors: unknown[] = [];
    const reader = read(createGateways(spec.redis, spec.server.url, (error) => errors.push(error)));
    await spec.redis.xadd("muster:gateway:gw-1:inbox", "*", "h", "{not json");
    await gateways().hint(gw1, superseded(1));
    await until(() => reader.hints.length === 1);
    assert.equal(errors.length, 1);
  });

  it("has one incarnation for everybody, until the fleet state is lost", async () => {
    const others = await Promise.all([spec.open(), spec.open()]);
    const all = [spec.store, ...others].map(({ gateways: each }) => each);
    const [first, ...rest] = await Promise.all(all.map((each) => each.incarnation()));
    assert.ok(first !== undefined && Math.abs(Date.now() - first.sinceMs) < 60_000);
    for (const other of rest) assert.deepEqual(other, first);
    assert.deepEqual((await gateways().renew(gw1, "{}")).incarnation, first);
    await spec.wipe();
    const next = (await gateways().renew(gw1, "{}")).incarnation;
    assert.notEqual(next.id, first.id);
    assert.ok(next.sinceMs >= first.sinceMs);
    assert.deepEqual(await gateways().incarnation(), next);
  });
});
