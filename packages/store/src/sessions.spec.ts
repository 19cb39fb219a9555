import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentEvent, type InstanceUid, parseGatewayId } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import type { SessionFlush, Sessions } from "./sessions.ts";
import { useStore } from "./spec-store.ts";

const [gw1, gw2] = [parseGatewayId("gw-1"), parseGatewayId("gw-2")];
const uid = aUid();
const offered = (n: number): AgentEvent => ({ kind: "agent.config-offered", uid, epoch: 1, n, atMs: 0, hash: aHash() });
const ended: AgentEvent = { kind: "agent.disconnected", uid, epoch: 1, n: 9, atMs: 0, reason: "closed" };

describe("sessions", () => {
  const spec = useStore();
  const open = (gateway = gw1, heartbeat: bigint | null = null, minEpoch = 0) =>
    spec.store.sessions.open(uid, gateway, minEpoch, heartbeat === null ? null : { seq: heartbeat });
  const flush = (epoch: number, rest: Partial<SessionFlush> = {}) => {
    const checkpoint = { seq: 7n, state: '{"known":1}' };
    const session = { uid, epoch, state: "open" as const, checkpoint, events: [], ending: null, ...rest };
    return spec.store.sessions.flush(spec.store.sessions.partitionOf(uid), [session]);
  };
  const written = async (): Promise<unknown[]> => {
    const entries = await spec.redis.xrange(`muster:{${spec.store.sessions.partitionOf(uid)}}:events`, "-", "+");
    return entries.map(([, [, text = ""]]) => JSON.parse(text));
  };

  it("knows nothing of an agent at first", async () => {
    assert.equal(await spec.store.sessions.owner(uid), null);
    const opened = await open();
    assert.deepEqual([opened.before, opened.desired], [null, null]);
    assert.equal(await spec.store.sessions.owner(uid), gw1);
  });

  it("resumes from the last checkpoint, with sequence numbers beyond 2^53", async () => {
    const first = await open();
    const checkpoint = { seq: 18_446_744_073_709_551_615n, state: "{}" };
    assert.deepEqual(await flush(first.epoch, { checkpoint }), { kind: "written", sessions: ["kept"] });
    const { epoch, before } = await open(gw2);
    assert.ok(epoch > first.epoch);
    assert.deepEqual(before, {
      epoch: first.epoch,
      gateway: gw1,
      wasOpen: true,
      wasTold: true,
      wasBetween: false,
      checkpoint,
    });
  });

  it("has no checkpoint of a session that wrote none", async () => {
    await open();
    assert.equal((await open(gw2)).before?.checkpoint, null);
  });

  it("counts the heartbeat in hand, so that the next gateway finds the right number", async () => {
    const { epoch } = await open();
    await flush(epoch);
    await open(gw2, 8n);
    assert.equal((await open(gw1, 9n)).before?.checkpoint?.seq, 8n);
    assert.equal((await open(gw2, 12n)).before?.checkpoint?.seq, 9n);
    assert.equal((await open(gw1)).before?.checkpoint?.seq, 9n, "the one after a gap was not counted");
  });

  it("opens what many ask for at once, each as if alone, also where what is kept of one is spoiled", async () => {
    const { sessions } = spec.store;
    const uids = Array.from({ length: 200 }, (_, i) => aUid(i + 100));
    const spoiled = uids.slice(0, 3);
    const key = (one: InstanceUid, kind: string) => `muster:{${sessions.partitionOf(one)}}:${kind}:${one}`;
    const [noRecord = uid, noSession = uid, otherType = uid] = spoiled;
    await spec.redis.set(key(noRecord, "desired"), "1\nno record of ours");
    await spec.redis.set(key(noSession, "session"), Buffer.from([0xc1]));
    await spec.redis.rpush(key(otherType, "session"), "a list");
    const known = aUid(103);
    await sessions.open(known, gw2, 0, null);
    const opened = await Promise.allSettled(uids.map((one) => sessions.open(one, gw1, 0, null)));
    assert.deepEqual(
      opened.map(({ status }) => status === "rejected"),
      uids.map((one) => spoiled.includes(one)),
    );
    const before = opened.map((one) => (one.status === "fulfilled" ? (one.value.before?.gateway ?? null) : null));
    assert.deepEqual(
      before,
      uids.map((one) => (one === known ? gw2 : null)),
    );
  });

  it("knows whether anything was written that says the agent is connected", async () => {
    const states: unknown[] = [];
    const openAgain = async (gateway = gw1) => {
      const { before, epoch } = await open(gateway);
      states.push([before?.wasOpen, before?.wasTold]);
      return epoch;
    };
    await open();
    const epoch = await openAgain();
    assert.deepEqual(states, [[true, false]], "the first answer may have been lost on its way");
    await flush(epoch);
    await flush(await openAgain(gw2), { ending: { ...ended, epoch: 0 }, state: "ended" });
    assert.deepEqual(states.at(-1), [true, true]);
    await openAgain();
    assert.deepEqual(states.at(-1), [false, false]);
    await openAgain();
    assert.deepEqual(states.at(-1), [true, false], "watchers were told last that it had ended");
    assert.equal(await spec.store.sessions.endLost(uid, gw1, false), true);
    const left = await openAgain();
    await flush(left, { state: "between" });
    await open(gw2);
    await openAgain(gw2);
    assert.deepEqual(states.at(-1), [true, true], "it goes on with the same connection");
  });

  it("gives two gateways that open at once different epochs, and one sees the other", async () => {
    const [a, b] = await Promise.all([open(gw1), open(gw2)]);
    assert.notEqual(a.epoch, b.epoch);
    const [first, second] = a.epoch < b.epoch ? [a, b] : [b, a];
    assert.equal(first.before, null);
    assert.equal(second.before?.epoch, first.epoch);
  });

  it("hands out an epoch above any that the caller knows of", async () => {
    const far = Date.now() + 1e9;
    assert.equal((await open(gw1, null, far)).epoch, far);
  });

  it("writes the events of a flush as one entry, and an ending in one of its own", async () => {
    const { epoch } = await open();
    await flush(epoch, { events: [offered(1), offered(2)], ending: ended, state: "ended" as const });
    assert.deepEqual(await written(), [[offered(1), offered(2)], [ended]]);
    assert.equal((await open(gw2)).before?.wasOpen, false);
  });

  it("keeps what an old owner still had to say for the new one, and drops how it ended", async () => {
    const old = await open();
    const { epoch } = await open(gw2);
    assert.equal(await spec.store.sessions.readLeft(uid, old.epoch), null);
    const outcome = await flush(old.epoch, { events: [offered(1)], ending: ended, state: "ended" as const });
    assert.deepEqual(outcome, { kind: "written", sessions: ["superseded"] });
    assert.deepEqual(await written(), [[offered(1)]]);
    assert.deepEqual(await spec.store.sessions.readLeft(uid, old.epoch), { seq: 7n, state: '{"known":1}' });
    assert.equal(await spec.store.sessions.readLeft(uid, epoch), null, "that one left nothing");
    const after = await open(gw1);
    assert.deepEqual([after.before?.wasOpen, after.before?.checkpoint], [true, null], "the newer session is untouched");
  });

  it("says that a session is unknown once the fleet state was lost", async () => {
    const { epoch } = await open();
    await spec.wipe();
    assert.deepEqual(await flush(epoch, { events: [offered(1)] }), { kind: "written", sessions: ["unknown"] });
    await until(() => Date.now() > epoch, { what: "the next millisecond" });
    assert.ok((await open()).epoch > epoch, "epochs go on rising");
  });

  describe("whose gateway is gone", () => {
    const endLost = (gateway = gw1, evenBetween = false) => spec.store.sessions.endLost(uid, gateway, evenBetween);

    it("end, as often as it is said, and the next gateway finds them ended", async () => {
      const { epoch } = await open();
      await flush(epoch);
      assert.deepEqual([await endLost(), await endLost()], [true, true]);
      const { before } = await open(gw2);
      assert.deepEqual([before?.wasOpen, before?.wasBetween, before?.checkpoint?.seq], [false, false, 7n]);
    });

    it("go on when another gateway took them over", async () => {
      await open();
      await open(gw2);
      assert.equal(await endLost(gw1, true), false);
      assert.equal((await open()).before?.wasOpen, true);
    });

    it("are left to the next gateway where theirs left in good order, for as long as that is waited for", async () => {
      const { epoch } = await open();
      await flush(epoch, { state: "between" });
      assert.equal(await endLost(), false);
      assert.equal(await endLost(gw1, true), true);
      assert.equal((await open(gw2)).before?.wasBetween, false);
    });

    it("are told so to a gateway that lives after all, which opens them again", async () => {
      const { epoch } = await open();
      await endLost();
      for (const state of ["open", "between"] as const) {
        assert.deepEqual(await flush(epoch, { state }), { kind: "written", sessions: ["unknown"] });
      }
      assert.deepEqual(await flush(epoch, { state: "ended" }), { kind: "written", sessions: ["kept"] });
      assert.equal((await open(gw2)).before?.wasOpen, false);
    });

    it("are not made up", async () => {
      assert.equal(await endLost(), false);
      assert.equal((await open()).before, null);
    });
  });

  it("tells what the agent should run", async () => {
    const desired = { hash: aHash(), contributions: [] };
    await spec.store.desired.assign([{ uid, desired }], 1, 5);
    assert.deepEqual((await open()).desired, { ...desired, assignedAtMs: 5 });
    await spec.store.desired.assign([{ uid, desired: null }], 2, 5);
    assert.equal((await open()).desired, null);
  });

  it("takes nothing while no projector works and the stream is full", async () => {
    const { epoch } = await open();
    const key = `muster:{${spec.store.sessions.partitionOf(uid)}}:events`;
    const fill = "for i = 1, 100000 do redis.call('XADD', KEYS[1], '*', 'e', '[]') end";
    await spec.redis.eval(fill, 1, key);
    assert.deepEqual(await flush(epoch, { events: [offered(1)] }), { kind: "full" });
    await spec.redis.xtrim(key, "MAXLEN", 99_999);
    assert.deepEqual(await flush(epoch, { events: [offered(1)] }), { kind: "written", sessions: ["kept"] });
  });

  it("puts each agent into one partition, the same for every store", async () => {
    const other = await spec.open();
    const uids = Array.from({ length: 200 }, (_, i) => aUid(i));
    const partitions = uids.map((one) => spec.store.sessions.partitionOf(one));
    assert.deepEqual(
      partitions,
      uids.map((one) => other.sessions.partitionOf(one)),
    );
    assert.deepEqual([...new Set(partitions)].sort(), [0, 1, 2, 3]);
  });

  describe("of an identity", () => {
    const openAs = (identity: string, gateway = gw1) => spec.store.sessions.open(uid, gateway, 0, null, identity);

    it("belong to the first one that opens the uid; to another one nothing is told and nothing changed", async () => {
      const { epoch } = await openAs("alice");
      await flush(epoch);
      const key = `muster:{${spec.store.sessions.partitionOf(uid)}}:session:${uid}`;
      const stored = await spec.redis.getBuffer(key);
      for (const other of ["bob", ""]) {
        const opened = await openAs(other, gw2);
        assert.deepEqual([opened.isForeign, opened.epoch, opened.before, opened.desired], [true, 0, null, null]);
      }
      assert.deepEqual(await spec.redis.getBuffer(key), stored);
      const again = await openAs("alice", gw2);
      assert.deepEqual([again.isForeign, again.before?.epoch], [false, epoch]);
    });

    it("are taken by the first identity where none was asked for before", async () => {
      assert.equal((await openAs("")).isForeign, false);
      assert.equal((await openAs("alice")).isForeign, false);
      assert.equal((await openAs("bob")).isForeign, true);
    });

    it("tell who owns the uid, and go to the next one after they are released", async () => {
      const owner = () => spec.store.sessions.ownerIdentity(uid);
      assert.equal(await owner(), "", "nobody knows the uid");
      await openAs("");
      assert.equal(await owner(), "", "nobody authenticated");
      const { epoch } = await openAs("alice");
      assert.equal(await owner(), "alice");
      await spec.store.sessions.release(uid);
      assert.equal(await owner(), "");
      const opened = await openAs("bob", gw2);
      assert.deepEqual([opened.isForeign, opened.before?.epoch], [false, epoch], "it goes on where it was");
      assert.deepEqual([await owner(), (await openAs("alice")).isForeign], ["bob", true]);
    });

    it("go to one of two who come first at once", async () => {
      const opened = await Promise.all([openAs("alice"), openAs("bob")]);
      assert.deepEqual(opened.map(({ isForeign }) => isForeign).sort(), [false, true]);
    });
  });

  describe("of an agent that is given another uid", () => {
    const [to, other] = [aUid(2), aUid(3)];
    const rename = (from: InstanceUid, proposed: InstanceUid) => spec.store.sessions.rename(from, proposed);
    const openSession: Sessions["open"] = (...args) => spec.store.sessions.open(...args);

    it("say so on both sides, before the agent came under the new one", async () => {
      await open();
      assert.equal(await rename(uid, to), to);
      assert.deepEqual([(await open()).renamedTo, (await open()).renamedFrom], [to, null]);
      const opened = await openSession(to, gw1, 0, null);
      assert.deepEqual([opened.renamedFrom, opened.renamedTo, opened.before], [uid, null, null]);
    });

    it("keep to the first uid it was given, and forget those proposed later", async () => {
      await rename(uid, to);
      assert.equal(await rename(uid, other), to);
      assert.equal(await rename(uid, to), to);
      assert.equal((await openSession(other, gw1, 0, null)).renamedFrom, null);
    });

    it("settle on one of two uids that are proposed at once", async () => {
      const [first, second] = await Promise.all([rename(uid, to), rename(uid, other)]);
      assert.equal(first, second);
      const loser = first === to ? other : to;
      assert.equal((await openSession(loser, gw1, 0, null)).renamedFrom, null);
      assert.equal((await openSession(first ?? to, gw1, 0, null)).renamedFrom, uid);
    });

    it("keep their owner", async () => {
      await openSession(uid, gw1, 0, null, "alice");
      assert.equal(await spec.store.sessions.rename(uid, to, "bob"), null, "nobody renames another's agent");
      assert.equal((await openSession(uid, gw1, 0, null, "alice")).renamedTo, null);
      assert.equal(await spec.store.sessions.rename(uid, to, "alice"), to);
      assert.equal((await openSession(to, gw1, 0, null, "bob")).isForeign, true);
      assert.equal((await openSession(to, gw1, 0, null, "alice")).isForeign, false);
    });
  });
});
