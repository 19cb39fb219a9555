import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseGatewayId } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import type { Checkpoint, OpenedSession } from "@muster/store";
import { until } from "@muster/testkit";
import { type Claim, type ClaimDeps, type Claimed, createClaims } from "./claim.ts";
import type { Opening } from "./session.ts";

const [self, other] = [parseGatewayId("gw-1"), parseGatewayId("gw-2")];
const checkpoint: Checkpoint = { seq: 7n, state: "stored" };
const left: Checkpoint = { seq: 9n, state: "left" };

type Before = NonNullable<OpenedSession["before"]>;
const aBefore = (rest: Partial<Before> = {}): Before => ({
  epoch: 5,
  gateway: other,
  wasOpen: true,
  wasTold: true,
  wasBetween: false,
  checkpoint,
  ...rest,
});
const aClaim = (rest: Partial<Claim> = {}): Claim => ({
  uid: aUid(),
  identity: "",
  transport: "http",
  minEpoch: 0,
  seq: 8n,
  isHeartbeat: false,
  ...rest,
});

/** What a claim opened. */
async function opened(claimed: Promise<Claimed>): Promise<Opening> {
  const result = await claimed;
  assert.ok(result.kind === "opened");
  return result.opening;
}

/** Claims over a store that knows this session; the other gateway answers hand-overs as `onHint` says. */
function aWorld(before: Before | null, overrides: Partial<ClaimDeps> = {}, isOtherAlive = true, isTwinThere = false) {
  const calls: string[] = [];
  const errors: unknown[] = [];
  const clock = { nowMs: 0 };
  const deps: ClaimDeps = {
    self,
    async open(_, gateway, minEpoch, heartbeat) {
      calls.push(`open ${gateway} ${minEpoch} ${heartbeat === null ? "report" : heartbeat.seq}`);
      const desired = { hash: aHash(), contributions: [], assignedAtMs: 0 };
      return { isForeign: false, epoch: 6, before, desired, hasActions: false, renamedTo: null, renamedFrom: null };
    },
    async readLeft(_, epoch) {
      calls.push(`read ${epoch}`);
      return left;
    },
    async isAlive(gateway) {
      calls.push(`alive ${gateway}?`);
      return isOtherAlive;
    },
    async hint(to, hint) {
      calls.push(`${hint.kind} to ${to}`);
      if (hint.kind === "hand-over") claims.handedOver(hint.uid, isTwinThere);
    },
    onHandOver: () => undefined,
    nowMs: () => clock.nowMs,
    onError: (error) => errors.push(error),
    ...overrides,
  };
  const claims = createClaims(deps);
  return { claims, calls, errors, clock };
}

interface Case {
  readonly name: string;
  readonly before: Before | null;
  readonly claim?: Partial<Claim>;
  readonly isOtherAlive?: boolean;
  readonly asked: readonly string[];
  readonly resumed: Checkpoint | null;
  readonly isMove: boolean;
}

const aliveFirst = `alive ${other}?`;
const cases: readonly Case[] = [
  { name: "an agent nobody knows begins anew", before: null, asked: [], resumed: null, isMove: false },
  {
    name: "an agent that comes back to its gateway goes on from what was written",
    before: aBefore({ gateway: self }),
    asked: [],
    resumed: checkpoint,
    isMove: true,
  },
  {
    name: "an agent whose session ended goes on, as a new connection",
    before: aBefore({ wasOpen: false }),
    asked: [],
    resumed: checkpoint,
    isMove: false,
  },
  {
    name: "an agent goes on whose session was opened here and never told, as a new connection",
    before: aBefore({ gateway: self, wasTold: false }),
    asked: [],
    resumed: checkpoint,
    isMove: false,
  },
  {
    name: "an agent goes on whose session was opened elsewhere and never told, as a new connection",
    before: aBefore({ wasTold: false }),
    asked: [aliveFirst, `superseded to ${other}`],
    resumed: checkpoint,
    isMove: false,
  },
  {
    name: "an agent that moved and follows exactly goes on without asking",
    before: aBefore(),
    asked: [aliveFirst, `superseded to ${other}`],
    resumed: checkpoint,
    isMove: true,
  },
  {
    name: "an agent that moved and does not follow: the other gateway knows",
    before: aBefore(),
    claim: { seq: 10n },
    asked: [aliveFirst, `hand-over to ${other}`, "read 5"],
    resumed: left,
    isMove: true,
  },
  {
    name: "an agent whose session wrote nothing yet: the other gateway knows",
    before: aBefore({ checkpoint: null }),
    asked: [aliveFirst, `hand-over to ${other}`, "read 5"],
    resumed: left,
    isMove: true,
  },
  {
    name: "of an agent that tells everything the other gateway knows more: what it was offered a moment ago",
    before: aBefore(),
    claim: { seq: 0n },
    asked: [aliveFirst, `hand-over to ${other}`, "read 5"],
    resumed: left,
    isMove: true,
  },
  {
    name: "an agent that is only opened anew has no number to compare",
    before: aBefore(),
    claim: { seq: null },
    asked: [aliveFirst, `superseded to ${other}`],
    resumed: checkpoint,
    isMove: true,
  },
  {
    name: "a dead gateway is not asked",
    before: aBefore(),
    claim: { seq: 10n },
    isOtherAlive: false,
    asked: [aliveFirst],
    resumed: checkpoint,
    isMove: false,
  },
];

describe("claim", () => {
  it("goes on with the connection of a gateway that left in good order, and asks nobody", async () => {
    const { claims, calls } = aWorld(aBefore({ wasOpen: false, wasBetween: true }), {}, false);
    const { isMove, checkpoint: resumed } = await opened(claims.claim(aClaim({ seq: 99n })));
    assert.deepEqual([isMove, resumed, calls.length], [true, checkpoint, 1]);
  });

  for (const { name, before, claim, isOtherAlive, asked, resumed, isMove } of cases) {
    it(name, async () => {
      const { claims, calls } = aWorld(before, {}, isOtherAlive);
      const opening = await opened(claims.claim(aClaim(claim)));
      const desired = { hash: aHash(), contributions: [], assignedAtMs: 0 };
      const rest = { hasActions: false, renamedTo: null, renamedFrom: null };
      assert.deepEqual(opening, { epoch: 6, checkpoint: resumed, isMove, desired, ...rest });
      assert.deepEqual(calls.slice(1), asked);
    });
  }

  it("tells the store of a heartbeat, and not of a report's number", async () => {
    const { claims, calls } = aWorld(null);
    await claims.claim(aClaim({ isHeartbeat: true, minEpoch: 3 }));
    await claims.claim(aClaim());
    await claims.claim(aClaim({ isHeartbeat: true, seq: null }));
    assert.deepEqual(calls, [`open ${self} 3 8`, `open ${self} 0 report`, `open ${self} 0 report`]);
  });

  it("goes on from what the store has when the other gateway hands nothing over in time", async () => {
    const silent = { hint: async () => undefined, readLeft: async () => null };
    const { claims } = aWorld(aBefore(), silent);
    assert.deepEqual((await opened(claims.claim(aClaim({ seq: 10n })))).checkpoint, checkpoint);
  });

  it("waits for the hand-over of its own agent, and when it claims twice at once, the later one hears it", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] }); // time stands still: what resolves does so because it was told
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    let handOvers = 0;
    const onHandOver = (): void => {
      handOvers += 1;
    };
    const { claims } = aWorld(aBefore(), { hint: async () => undefined, onHandOver });
    const done: string[] = [];
    const first = opened(claims.claim(aClaim({ seq: 10n }))).then(({ checkpoint: from }) =>
      done.push(`first ${from?.state}`),
    );
    const second = opened(claims.claim(aClaim({ seq: 11n }))).then(({ checkpoint: from }) =>
      done.push(`second ${from?.state}`),
    );
    await turn();
    assert.equal(handOvers, 2);
    claims.handedOver(aUid(9), false);
    await turn();
    assert.deepEqual(done, [], "that was another agent's");
    claims.handedOver(aUid(), false);
    await second;
    assert.deepEqual(done, ["second left"]);
    t.mock.timers.tick(1_000);
    await first;
    assert.deepEqual(done, ["second left", "first left"]);
  });

  it("hears a hand-over though an earlier claim of the agent gave up in between", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const { claims } = aWorld(aBefore(), { hint: async () => undefined });
    const first = claims.claim(aClaim({ seq: 10n }));
    await turn();
    t.mock.timers.tick(999);
    const second = opened(claims.claim(aClaim({ seq: 11n })));
    await turn();
    t.mock.timers.tick(1);
    await first;
    claims.handedOver(aUid(), false);
    assert.deepEqual((await second).checkpoint, left);
  });

  it("goes on when the other gateway cannot be told that it lost the agent", async () => {
    const { claims, errors } = aWorld(aBefore(), { hint: async () => Promise.reject(new Error("away")) });
    assert.equal((await opened(claims.claim(aClaim()))).checkpoint, checkpoint);
    await until(() => errors.length === 1);
  });

  it("asks whether a gateway lives once in a while, not for every poll", async () => {
    const { claims, calls, clock } = aWorld(aBefore());
    const asks = () => calls.filter((call) => call === aliveFirst).length;
    await Promise.all([claims.claim(aClaim()), claims.claim(aClaim())]);
    clock.nowMs = 2_999;
    await claims.claim(aClaim());
    assert.equal(asks(), 1);
    clock.nowMs = 3_000;
    await claims.claim(aClaim());
    assert.equal(asks(), 2);
  });

  it("does not remember an answer that it did not get", async () => {
    let tries = 0;
    const isAlive = async (): Promise<boolean> => {
      tries += 1;
      if (tries === 1) throw new Error("away");
      return true;
    };
    const { claims } = aWorld(aBefore(), { isAlive });
    await assert.rejects(claims.claim(aClaim()), /away/);
    assert.equal((await opened(claims.claim(aClaim()))).isMove, true);
  });

  it("fails when the store is away", async () => {
    const { claims } = aWorld(null, { open: async () => Promise.reject(new Error("away")) });
    await assert.rejects(claims.claim(aClaim()), /away/);
  });

  describe("of a WebSocket", () => {
    const websocket = (rest: Partial<Claim> = {}): Claim => aClaim({ transport: "websocket", ...rest });

    it("asks the other gateway whether the agent lives there, also when it would need nothing (R145)", async () => {
      const { claims, calls } = aWorld(aBefore());
      assert.deepEqual((await opened(claims.claim(websocket()))).checkpoint, left);
      assert.deepEqual(calls.slice(1), [aliveFirst, `hand-over to ${other}`, "read 5"]);
    });

    it("is a twin's when the agent lives there", async () => {
      const { claims } = aWorld(aBefore(), {}, true, true);
      assert.deepEqual(await claims.claim(websocket()), { kind: "twin" });
    });

    it("asks nobody when the session there has ended", async () => {
      const { claims, calls } = aWorld(aBefore({ wasOpen: false }), {}, true, true);
      assert.equal((await opened(claims.claim(websocket()))).checkpoint, checkpoint);
      assert.equal(calls.length, 1);
    });
  });

  it("is refused when the uid is another identity's", async () => {
    const foreign = { isForeign: true, epoch: 0, before: null, desired: null };
    const open = async () => ({ ...foreign, hasActions: false, renamedTo: null, renamedFrom: null });
    const { claims } = aWorld(null, { open });
    assert.deepEqual(await claims.claim(aClaim()), { kind: "foreign" });
  });
});
