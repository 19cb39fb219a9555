import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { type GatewayId, type InstanceUid, parseGatewayId } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import type { Gateways, Hint, Renewal } from "@muster/store";
import { createFakeClock, until } from "@muster/testkit";
import type { Hub } from "./hub.ts";
import { createPresence, type PresenceDeps } from "./presence.ts";
import type { Input } from "./session.ts";
import { NOTHING_WANTED } from "./settings.ts";

const [self, other] = [parseGatewayId("gw-1"), parseGatewayId("gw-2")];
const desired = { hash: aHash(), contributions: [], assignedAtMs: 0 };
const RESYNC_MS = 600_000;

const aRenewal = (id = "first", hadLapsed = false): Renewal => ({
  incarnation: { id, sinceMs: 0 },
  hadLapsed,
  liveCount: 3,
});

describe("presence", () => {
  const running: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of running.splice(0)) await stop();
  });

  /** A gateway's presence over a store in memory; its inbox is what `say` puts there. */
  function aPresence(agents: number, overrides: Partial<PresenceDeps> = {}) {
    const clock = createFakeClock();
    const controller = new AbortController();
    const uids = Array.from({ length: agents }, (_, i) => aUid(i + 1));
    const calls: string[] = [];
    const looked: (readonly InstanceUid[])[] = [];
    const reopened: InstanceUid[] = [];
    const shared: number[] = [];
    const errors: unknown[] = [];
    const tasks: Promise<void>[] = [];
    const renewal: { next: () => Promise<Renewal> } = { next: async () => aRenewal("first", true) };
    const inbox = { say: (_: Hint): void => assert.fail("nobody reads"), gap: (): void => assert.fail("nobody reads") };
    // The part of the store's gateways that presence uses.
    const gateways = {
      renew: async () => {
        calls.push("renew");
        return await renewal.next();
      },
      hint: async (to: GatewayId, hint: Hint) => {
        calls.push(`${hint.kind} to ${to}`);
      },
      async readInbox(_: GatewayId, onHint: (hint: Hint) => void, onGap: () => void, signal: AbortSignal) {
        inbox.say = onHint;
        inbox.gap = onGap;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    } as unknown as Gateways;
    const hub = {
      entries: new Map(uids.map((uid) => [uid, {}])),
      desired: (uid: InstanceUid) => calls.push(`desired ${uids.indexOf(uid) + 1}`),
      letGo: (uid: InstanceUid, epoch: number) => calls.push(`let go ${uids.indexOf(uid) + 1} ${epoch}`),
      answers: async () => false,
      feed: (uid: InstanceUid, input: Input) => {
        if (input.kind === "lost") reopened.push(uid);
        else calls.push(`${input.kind} ${uids.indexOf(uid) + 1}`);
      },
    } as unknown as Hub; // the part that presence uses
    const presence = createPresence({
      self,
      hub,
      gateways,
      async loadDesired(wanted) {
        looked.push(wanted);
        return wanted.map(() => desired);
      },
      flushAgent: async () => {
        calls.push("flush");
        return true;
      },
      handedOver: (uid, isAlive) => calls.push(`handed over ${uids.indexOf(uid) + 1}${isAlive ? " not" : ""}`),
      pinging: (uid) => calls.push(`pinging ${uids.indexOf(uid) + 1}`),
      onLost: () => undefined,
      reclaim: async () => 9,
      loadWanted: async () => NOTHING_WANTED,
      nowMs: () => 0,
      onShared: (liveCount) => shared.push(liveCount),
      delay: clock.delay,
      background: (_, task) => tasks.push(task),
      onError: (error) => errors.push(error),
      info: "{}",
      resyncMs: RESYNC_MS,
      ...overrides,
    });
    const done = presence.run(controller.signal);
    const stop = async (): Promise<void> => {
      controller.abort();
      await Promise.all([done, ...tasks]);
    };
    running.push(stop);
    const take = (): string[] => calls.splice(0).filter((call) => call !== "renew");
    return { clock, calls, take, looked, reopened, errors, renewal, inbox, presence, stop };
  }

  it("renews three times in the time a lease holds, and goes on when the store is away", async () => {
    const { clock, calls, renewal, errors } = aPresence(0);
    const renewals = () => calls.filter((call) => call === "renew").length;
    await until(() => renewals() === 1);
    await clock.advance(9_000);
    assert.equal(renewals(), 4);
    renewal.next = async () => Promise.reject(new Error("away"));
    await clock.advance(6_000);
    assert.deepEqual([renewals(), errors.length], [6, 2]);
  });

  const reasons: readonly (readonly [name: string, next: Renewal, reopened: number])[] = [
    ["a renewal in time", aRenewal(), 0],
    ["another incarnation: the fleet state was lost", aRenewal("second", true), 3],
    ["a lease that ran out: its agents were taken for lost", aRenewal("first", true), 3],
  ];
  for (const [name, next, expected] of reasons) {
    it(`reopens ${expected} of 3 sessions after ${name}`, async () => {
      const { clock, calls, renewal, reopened } = aPresence(3);
      await until(() => calls.includes("renew"));
      assert.equal(reopened.length, 0, "the first lease is always new");
      renewal.next = async () => next;
      await clock.advance(3_000);
      assert.equal(reopened.length, expected);
    });
  }

  it("reopens a thousand sessions in steps", async () => {
    const { clock, calls, renewal, reopened } = aPresence(1_000);
    await until(() => calls.includes("renew"));
    renewal.next = async () => aRenewal("second");
    await clock.advance(3_000);
    assert.equal(reopened.length, 250);
    await clock.advance(200);
    assert.equal(reopened.length, 750);
    await clock.advance(200);
    assert.deepEqual([reopened.length, new Set(reopened).size], [1_000, 1_000]);
  });

  it("looks at agents that hints name and that are here, together and once", async () => {
    const { clock, inbox, looked, take } = aPresence(3);
    await until(() => clock.pendingCount() > 0);
    inbox.say({ kind: "desired", uids: [aUid(1), aUid(99)] });
    inbox.say({ kind: "desired", uids: [aUid(2), aUid(1)] });
    inbox.say({ kind: "desired", uids: [aUid(98)] });
    assert.deepEqual(looked, []);
    await clock.advance(10);
    assert.deepEqual(looked, [[aUid(1), aUid(2)]]);
    assert.deepEqual(take(), ["desired 1", "desired 2"]);
  });

  it("calls hints of many agents that come one upon the other a broadcast, until there is a pause", async () => {
    let nowMs = 10_000;
    const { presence, inbox, clock } = aPresence(0, { nowMs: () => nowMs });
    await until(() => clock.pendingCount() > 0);
    const uids = Array.from({ length: 500 }, (_, i) => aUid(i + 1));
    const hint = (count: number) => inbox.say({ kind: "desired", uids: uids.slice(0, count) });
    hint(499);
    assert.equal(presence.isBroadcasting(), false);
    nowMs += 450;
    hint(1);
    assert.equal(presence.isBroadcasting(), true);
    nowMs += 500;
    assert.equal(presence.isBroadcasting(), false);
    hint(400);
    assert.equal(presence.isBroadcasting(), false, "it begins anew");
  });

  it("looks at a whole broadcast at a time, and calls it one until all were looked at", async () => {
    let nowMs = 10_000;
    const { promise, resolve } = Promise.withResolvers<void>();
    const lists: (readonly InstanceUid[])[] = [];
    const { presence, inbox, clock } = aPresence(2_000, {
      nowMs: () => nowMs,
      async loadDesired(wanted) {
        lists.push(wanted);
        await promise;
        return wanted.map(() => desired);
      },
    });
    await until(() => clock.pendingCount() > 0);
    inbox.say({ kind: "desired", uids: Array.from({ length: 2_000 }, (_, i) => aUid(i + 1)) });
    await clock.advance(10);
    assert.equal(lists.length, 8, "of 250 each");
    nowMs += 5_000;
    assert.equal(presence.isBroadcasting(), true);
    resolve();
    await until(() => !presence.isBroadcasting());
  });

  it("looks at everybody after a gap, and at intervals, some hundreds at a time", async () => {
    const { clock, inbox, looked, take } = aPresence(600);
    await until(() => clock.pendingCount() > 0);
    inbox.gap();
    await clock.advance(10);
    assert.deepEqual(
      looked.map((uids) => uids.length),
      [250, 250, 100],
    );
    assert.equal(take().length, 600);
    await clock.advance(RESYNC_MS + 10);
    assert.equal(take().length, 600);
  });

  it("reads one list at a time, and what was hinted meanwhile after it", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const lists: (readonly InstanceUid[])[] = [];
    const { clock, inbox } = aPresence(3, {
      async loadDesired(wanted) {
        lists.push(wanted);
        await promise;
        return wanted.map(() => desired);
      },
    });
    await until(() => clock.pendingCount() > 0);
    inbox.say({ kind: "desired", uids: [aUid(1)] });
    await clock.advance(10);
    inbox.say({ kind: "desired", uids: [aUid(2)] });
    inbox.say({ kind: "desired", uids: [aUid(3)] });
    await clock.advance(100);
    assert.deepEqual(lists, [[aUid(1)]]);
    resolve();
    await clock.advance(100);
    assert.deepEqual(lists, [[aUid(1)], [aUid(2), aUid(3)]]);
  });

  it("does not forget a hint when desired configs cannot be read", async () => {
    let isAway = true;
    const loadDesired: PresenceDeps["loadDesired"] = async (wanted) => {
      if (isAway) throw new Error("away");
      return wanted.map(() => desired);
    };
    const { clock, inbox, take, errors } = aPresence(1, { loadDesired });
    await until(() => clock.pendingCount() > 0);
    inbox.say({ kind: "desired", uids: [aUid(1)] });
    await clock.advance(2_000);
    assert.equal(errors.length, 2);
    isAway = false;
    await clock.advance(1_000);
    assert.deepEqual(take(), ["desired 1"]);
  });

  it("hands an agent over: lets go, writes, and says so", async () => {
    const { clock, inbox, take } = aPresence(1);
    await until(() => clock.pendingCount() > 0);
    inbox.say({ kind: "hand-over", uid: aUid(1), epoch: 5, to: other });
    await clock.advance(0);
    assert.deepEqual(take(), ["let go 1 5", "flush", `handed-over to ${other}`]);
  });

  it("passes on what other gateways say", async () => {
    const { clock, inbox, take } = aPresence(2);
    await until(() => clock.pendingCount() > 0);
    inbox.say({ kind: "superseded", uid: aUid(2), epoch: 7 });
    inbox.say({ kind: "handed-over", uid: aUid(1) });
    assert.deepEqual(take(), ["let go 2 7", "handed over 1"]);
  });

  it("ends when it is asked to, in the middle of anything", async () => {
    const loadDesired = async () => Promise.reject(new Error("away"));
    const { clock, inbox, stop } = aPresence(1, { loadDesired });
    await until(() => clock.pendingCount() > 0);
    inbox.gap();
    await clock.advance(20);
    await stop();
    assert.equal(clock.pendingCount(), 0);
  });
});
