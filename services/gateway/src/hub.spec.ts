import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DesiredRecord, desiredOf, type InstanceUid, parseConfigId, parseGatewayId } from "@muster/fleet";
import { aHash, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { agentCapabilityMask, decodeServerBody, decodeServerFrame, ProtocolError } from "@muster/protocol";
import type { ServerToAgent } from "@muster/protocol/opamp";
import type { QueuedAction } from "@muster/store";
import { onlyAgent } from "./agents-of.ts";
import type { Claim, Claimed, Claims } from "./claim.ts";
import { createHub, type HubDeps, type Incoming } from "./hub.ts";
import { encodeKnown, NOTHING_KNOWN } from "./known.ts";
import { createCounts } from "./metrics.ts";
import type { Offers } from "./offers.ts";
import type { Outbox, Source } from "./outbox.ts";
import { createReplies, encodeOffer } from "./replies.ts";
import type { Report, ReportedFacet } from "./report.ts";
import type { Opening } from "./session.ts";
import { NOTHING_WANTED } from "./settings.ts";
import type { Connection } from "./socket.ts";
import { createVoice } from "./voice.ts";

const CAPABILITIES = agentCapabilityMask(["ReportsStatus", "AcceptsRemoteConfig"]);
const description: ReportedFacet = { kind: "description", digest: "d", identifying: [], nonIdentifying: [] };
const aReport = (seq: number): Report => ({
  seq: BigInt(seq),
  capabilities: CAPABILITIES,
  facets: [description],
  message: null,
  wantsUid: false,
  csr: null,
  isGoodbye: false,
});
const NOBODY_TOLD: HubDeps["inventories"] = { has: async () => false, put: async () => undefined };
const desired: DesiredRecord = {
  ...desiredOf([{ configId: parseConfigId("base"), revision: 1, hash: aHash("b"), order: 100, rolloutId: ROLLOUT_ID }]),
  assignedAtMs: 0,
};
const offerBytes = encodeOffer(desired.hash, []);
/** What a message says, in a word or two. */
function brief(message: ServerToAgent | ProtocolError): string {
  assert.ok(!(message instanceof ProtocolError));
  const parts = [
    (message.flags & 1n) === 0n ? "" : "full",
    (message.flags & 2n) === 0n ? "" : "inventory",
    message.remoteConfig === undefined ? "" : "offer",
    message.agentIdentification === undefined ? "" : "identify",
    message.command === undefined ? "" : "restart",
    message.customMessage === undefined ? "" : "message",
    message.connectionSettings === undefined ? "" : "settings",
  ];
  return parts.filter((part) => part !== "").join(" ") || "plain";
}

/** A connection that notes what is sent, and whether it was closed. */
function aConnection(isOpen = true, answersPings = false) {
  const sent: string[] = [];
  const closed: number[] = [];
  const connection: Connection = {
    remoteAddress: "10.0.0.1",
    identity: "",
    authorization: "",
    send(frame) {
      if (isOpen) sent.push(brief(decodeServerFrame(frame)));
      return isOpen;
    },
    close: (code) => closed.push(code),
    ping: async () => answersPings,
    isClosed: false,
    carried: null,
  };
  return { connection, sent, closed };
}

interface Overrides {
  readonly claim?: (claim: Claim) => Promise<Opening | Exclude<Claimed, { kind: "opened" }>>;
  readonly deps?: Partial<HubDeps>;
  readonly offers?: Partial<Offers>;
  readonly flushAgent?: () => Promise<boolean>;
}

/** A hub over a store in memory: epochs count from 10, nothing is known, and offers are at hand. */
function aHub({ claim, offers = {}, flushAgent = async () => true, deps: given = {} }: Overrides = {}) {
  const written: string[] = [];
  const sources: Source[] = [];
  const claimed: Claim[] = [];
  const replies: string[] = [];
  const errors: unknown[] = [];
  const tasks: Promise<void>[] = [];
  const counts = createCounts();
  const note = (source: Source, what: string): void => {
    sources.push(source);
    written.push(`${source.epoch} ${what}`);
  };
  const outbox: Outbox = {
    add: (source, event) => note(source, event.kind.replace("agent.", "")),
    keepBody: (source) => note(source, "body"),
    end: (source, event) => note(source, event?.kind === "agent.disconnected" ? `end ${event.reason}` : "let go"),
    touch: (source) => note(source, "touch"),
    flushAgent,
    filled: async () => undefined,
    flushAll: async () => true,
    size: 0,
  };
  let epoch = 9;
  const claims: Claims = {
    async claim(given) {
      claimed.push(given);
      epoch += 1;
      const own = epoch;
      const opening = (await claim?.(given)) ?? { epoch: own, checkpoint: null, isMove: false, desired: null };
      return "kind" in opening ? opening : { kind: "opened", opening };
    },
    handedOver: () => undefined,
    pinging: () => undefined,
  };
  const background = (_: string, task: Promise<void>): number => tasks.push(task);
  const onError = (error: unknown): number => errors.push(error);
  const freshUid = (): InstanceUid => aUid(99);
  const voice = createVoice({
    replies: createReplies({ signsCertificates: false, customCapabilities: [] }),
    offers: { peek: () => offerBytes, load: async () => offerBytes, ...offers },
    counts,
    maxMessageBytes: 1024 * 1024,
    freshUid,
    background,
    onError,
  });
  const deps: HubDeps = {
    self: parseGatewayId("gw"),
    claims,
    outbox,
    voice,
    counts,
    isStrict: false,
    freshUid,
    nowMs: () => 1_000,
    loadWanted: async () => NOTHING_WANTED,
    rename: async () => aUid(50),
    certify: async () => ({ kind: "refused", sentence: "no" }),
    takeAction: async () => undefined,
    moveWanted: async () => undefined,
    inventories: { has: async () => true, put: async () => undefined },
    mayKeep: () => true,
    loadDesired: async () => [],
    mayAskFullState: () => true,
    background,
    delay: async () => undefined,
    onError,
    ...given,
  };
  const hub = createHub(deps);
  const receive = (seq: number, from: Partial<Incoming> = {}, report: Partial<Report> = {}): void => {
    const uid = from.uid ?? aUid();
    hub.receive({
      uid,
      report: { ...aReport(seq), ...report },
      identity: "",
      authorization: "",
      connection: null,
      remoteAddress: "10.0.0.1",
      responder: {
        reply: (body) => replies.push(`${seq} ${brief(decodeServerBody(body))}`),
        refuse: () => replies.push(`${seq} refused`),
        reject: () => replies.push(`${seq} rejected`),
      },
      ...from,
    });
  };
  /** Waits for everything that runs in the background. */
  const idle = async (): Promise<void> => {
    for (let seen = -1; seen < tasks.length; ) {
      seen = tasks.length;
      await Promise.all(tasks);
      if (seen === tasks.length) return;
    }
  };
  const session = (uid = aUid()) => hub.entries.get(uid)?.session;
  const take = (): string[] => written.splice(0);
  return { hub, receive, idle, session, written, take, sources, claimed, replies, errors, counts };
}

/** A hub with one agent that has told everything, over the given connection or by polls. */
async function aHubWithAgent(overrides: Overrides = {}, connection: Connection | null = null) {
  const world = aHub(overrides);
  world.receive(0, { connection });
  await world.idle();
  world.take();
  world.replies.length = 0;
  return world;
}

describe("hub", () => {
  it("opens a session at the first message, and answers once it has an epoch", async () => {
    const { receive, idle, replies, take, claimed } = aHub();
    receive(3);
    assert.deepEqual(replies, []);
    await idle();
    assert.deepEqual(replies, ["3 plain"]);
    assert.deepEqual(take(), ["10 connected", "10 capabilities-changed", "10 described"]);
    assert.deepEqual(claimed, [
      {
        uid: aUid(),
        identity: "",
        transport: "http",
        minEpoch: 0,
        seq: 3n,
        isHeartbeat: false,
      },
    ]);
  });

  it("says of a heartbeat that it is one", async () => {
    const { receive, idle, claimed } = aHub();
    receive(3, {}, { facets: [] });
    await idle();
    assert.deepEqual(claimed, [
      {
        uid: aUid(),
        identity: "",
        transport: "http",
        minEpoch: 0,
        seq: 3n,
        isHeartbeat: true,
      },
    ]);
  });

  describe("connections", () => {
    it("gives an agent to the newest one when the old one is dead, and closes that (R145)", async () => {
      const [old, fresh] = [aConnection(), aConnection()];
      const { hub, receive, idle, take } = await aHubWithAgent({}, old.connection);
      receive(0, { connection: fresh.connection });
      await idle();
      assert.deepEqual(take(), ["10 end superseded", "11 connected", "11 capabilities-changed", "11 described"]);
      hub.desired(aUid(), desired);
      assert.deepEqual([old.sent, fresh.sent, old.closed], [[], ["offer"], [1001]]);
    });

    it("tells the younger of two that live a uid of its own, and forgets what it says (H2)", async () => {
      const [old, fresh] = [aConnection(true, true), aConnection()];
      const { hub, receive, idle, take, replies } = await aHubWithAgent({}, old.connection);
      receive(0, { connection: fresh.connection });
      receive(1, { connection: fresh.connection });
      await idle();
      assert.deepEqual(replies, ["0 identify", "1 plain"]);
      assert.deepEqual([take(), hub.entries.get(aUid())?.connection === old.connection], [[], true]);
      receive(2, { uid: aUid(99), connection: fresh.connection });
      await idle();
      assert.equal(hub.entries.size, 2);
    });

    it("tells an agent that polls a uid of its own while another lives on a WebSocket", async () => {
      const old = aConnection(true, true);
      const { hub, receive, idle, replies } = await aHubWithAgent({}, old.connection);
      receive(0);
      await idle();
      assert.deepEqual(replies, ["0 identify"]);
      assert.equal(hub.entries.get(aUid())?.connection === old.connection, true);
    });

    it("carry no more agents than one may", async () => {
      const { connection } = aConnection();
      const { hub, receive, replies } = aHub();
      for (let n = 1; n <= 10_001; n++) receive(0, { uid: aUid(n), connection });
      assert.deepEqual([replies, hub.entries.size], [["0 rejected"], 10_000]);
    });

    it("lets an agent move between connections that carry several (R26)", async () => {
      const [old, fresh] = [aConnection(true, true), aConnection()];
      const { hub, receive, idle, replies } = aHub();
      for (const n of [1, 2]) receive(0, { uid: aUid(n), connection: old.connection });
      await idle();
      replies.length = 0;
      receive(1, { uid: aUid(2), connection: fresh.connection });
      await idle();
      assert.deepEqual(replies, ["1 plain"]);
      assert.equal(hub.entries.get(aUid(2))?.connection === fresh.connection, true);
    });

    it("does not end the new session when the old connection closes", async () => {
      const [old, fresh] = [aConnection(), aConnection()];
      const { hub, receive, idle, take, session } = await aHubWithAgent({}, old.connection);
      receive(0, { connection: fresh.connection });
      await idle();
      take();
      hub.connectionClosed(old.connection);
      assert.deepEqual([take(), session()?.kind], [[], "active"]);
      hub.connectionClosed(fresh.connection);
      assert.deepEqual([take(), session()], [["11 end closed"], undefined]);
    });

    it("carry several agents, that end together", async () => {
      const { connection } = aConnection();
      const { hub, receive, idle, take } = aHub();
      for (const n of [1, 2, 3]) receive(0, { uid: aUid(n), connection });
      await idle();
      receive(0, { uid: aUid(2), connection: aConnection().connection });
      await idle();
      take();
      hub.connectionClosed(connection);
      assert.deepEqual([...hub.entries.keys()], [aUid(2)]);
      assert.deepEqual(take(), ["10 end closed", "12 end closed"]);
    });

    it("count a push only when it went out", async () => {
      const { hub, counts } = await aHubWithAgent({}, aConnection(false).connection);
      hub.desired(aUid(), desired);
      assert.equal(counts.messagesSent, 0);
    });
  });

  describe("offers", () => {
    it("go with the reply when they are at hand", async () => {
      const opening = async (): Promise<Opening> => ({ epoch: 20, checkpoint: null, isMove: false, desired });
      const { receive, idle, replies, counts } = aHub({ claim: opening });
      receive(0);
      await idle();
      assert.deepEqual([replies, counts.offers], [["0 offer"], 1]);
    });

    it("hold the reply back until they are loaded", async () => {
      const { promise, resolve } = Promise.withResolvers<Uint8Array>();
      const { hub, receive, idle, replies, take } = await aHubWithAgent({
        offers: { peek: () => undefined, load: () => promise },
      });
      hub.desired(aUid(), desired);
      receive(1, {}, { facets: [] });
      assert.deepEqual([replies, take()], [[], ["10 config-offered"]]);
      resolve(offerBytes);
      await idle();
      assert.deepEqual(replies, ["1 offer"]);
    });

    it("that cannot be loaded leave the reply without, and are made again with the next message", async () => {
      let isAway = true;
      const load = async (): Promise<Uint8Array> => {
        if (isAway) throw new Error("away");
        return offerBytes;
      };
      const { hub, receive, idle, replies, errors, counts } = await aHubWithAgent({
        offers: { peek: () => undefined, load },
      });
      hub.desired(aUid(), desired);
      receive(1, {}, { facets: [] });
      await idle();
      assert.deepEqual([replies, counts.offers, counts.offerErrors, errors.length], [["1 plain"], 0, 1, 1]);
      isAway = false;
      receive(2, {}, { facets: [] });
      await idle();
      assert.deepEqual(replies, ["1 plain", "2 offer"]);
    });

    it("for agents that are not here are passed over", async () => {
      const { hub, take } = await aHubWithAgent();
      hub.desired(aUid(2), desired);
      assert.deepEqual(take(), []);
    });
  });

  describe("while the store is away", () => {
    const aways: readonly (readonly [name: string, overrides: (isAway: () => boolean) => Overrides])[] = [
      [
        "it hands out no epoch",
        (isAway) => ({
          claim: async () => {
            if (isAway()) throw new Error("away");
            return { epoch: 20, checkpoint: null, isMove: false, desired: null };
          },
        }),
      ],
      ["what waits cannot be written", (isAway) => ({ flushAgent: async () => !isAway() })],
    ];
    for (const [name, overrides] of aways) {
      it(`and ${name}: messages are refused, and the next one opens again`, async () => {
        let isAway = true;
        const { hub, receive, idle, replies, counts, errors } = aHub(overrides(() => isAway));
        receive(0);
        receive(1);
        await idle();
        assert.deepEqual([replies, counts.refusals, errors.length], [["0 refused", "1 refused"], 2, 1]);
        assert.equal(hub.entries.size, 0);
        isAway = false;
        receive(2);
        await idle();
        assert.equal(replies.at(-1), "2 plain");
      });
    }

    it("a session that lives goes on, and is opened anew with a later message when the store lost it", async () => {
      let isAway = false;
      const { hub, receive, idle, replies, claimed, session } = await aHubWithAgent({
        flushAgent: async () => !isAway,
      });
      isAway = true;
      hub.feed(aUid(), { kind: "lost" });
      await idle();
      receive(1, {}, { facets: [] });
      await idle();
      assert.deepEqual(replies, ["1 plain"]);
      assert.equal(claimed.length, 1, "not yet");
      isAway = false;
      receive(2, {}, { facets: [] });
      await idle();
      assert.equal(claimed.at(-1)?.minEpoch, 11);
      const now = session();
      assert.ok(now?.kind === "active" && now.epoch === 11);
    });
  });

  describe("a poll", () => {
    it("that follows, repeats or is bare stays in its session", async () => {
      const { receive, idle, claimed, replies } = await aHubWithAgent();
      receive(1, {}, { facets: [] });
      receive(1, {}, { facets: [] });
      receive(0, {}, { facets: [], capabilities: 0n });
      await idle();
      assert.equal(claimed.length, 1);
      assert.deepEqual(replies, ["1 plain", "1 plain", "0 plain"]);
    });

    it("that wandered is opened anew, after what is known was written", async () => {
      const { receive, idle, claimed, replies, take, sources } = await aHubWithAgent();
      receive(7, {}, { facets: [] });
      assert.deepEqual(take(), ["10 touch"]);
      assert.equal(sources.at(-1)?.checkpoint().seq, 0n);
      await idle();
      assert.deepEqual(claimed.at(-1), {
        uid: aUid(),
        identity: "",
        transport: "http",
        minEpoch: 0,
        seq: 7n,
        isHeartbeat: true,
      });
      assert.deepEqual(replies, ["7 full"], "here nobody knew");
      assert.equal(sources.find(({ epoch }) => epoch === 10)?.checkpoint().seq, 0n, "what the old session knew");
    });

    it("of an agent that began anew is opened anew", async () => {
      const { receive, idle, claimed } = await aHubWithAgent();
      receive(1, {}, { facets: [] });
      receive(2, {}, { facets: [] });
      receive(0, {}, { facets: [] });
      await idle();
      assert.equal(claimed.length, 2);
    });

    it("is no reason to doubt a WebSocket", async () => {
      const { connection } = aConnection();
      const { receive, idle, claimed } = await aHubWithAgent({}, connection);
      receive(7, { connection }, { facets: [] });
      await idle();
      assert.equal(claimed.length, 1);
    });
  });

  describe("letting go", () => {
    it("writes the last checkpoint and no ending", async () => {
      const { hub, receive, take, sources } = await aHubWithAgent();
      receive(1, {}, { facets: [] });
      hub.letGo(aUid(), 10);
      assert.deepEqual([take(), hub.entries.size], [["10 let go"], 0]);
      assert.equal(sources.at(-1)?.checkpoint().seq, 1n);
    });

    it("leaves nothing of the agent on its connection", async () => {
      const { connection } = aConnection();
      const { hub } = await aHubWithAgent({}, connection);
      assert.equal(onlyAgent(connection), hub.entries.get(aUid()));
      hub.letGo(aUid(), 10);
      assert.equal(onlyAgent(connection), null);
    });

    it("does not let what the store answers late about the former session touch the one that came after it", async () => {
      const { connection } = aConnection();
      const late = Promise.withResolvers<{ readonly kind: "twin" }>();
      let claims = 0;
      const claim = async ({ minEpoch }: Claim): Promise<Opening | { readonly kind: "twin" }> => {
        claims += 1;
        return claims === 2 ? late.promise : { epoch: minEpoch + 10, checkpoint: null, isMove: false, desired: null };
      };
      const { hub, receive, idle } = await aHubWithAgent({ claim }, connection);
      hub.feed(aUid(), { kind: "lost" });
      hub.letGo(aUid(), 10);
      receive(0, { connection });
      late.resolve({ kind: "twin" });
      await idle();
      assert.equal(onlyAgent(connection), hub.entries.get(aUid()));
      hub.connectionClosed(connection);
      assert.deepEqual([hub.entries.size, onlyAgent(connection)], [0, null]);
    });

    it("is not for a session that is newer than the one that was taken, nor for one that opens", async () => {
      const { hub, receive, take } = await aHubWithAgent();
      hub.letGo(aUid(), 9);
      receive(0, { uid: aUid(2) });
      hub.letGo(aUid(2), 99);
      hub.letGo(aUid(3), 99);
      assert.deepEqual([take(), hub.entries.size], [[], 2]);
    });
  });

  it("opens a session anew that the store lost, under a higher epoch, and has everything told again", async () => {
    const { connection, sent } = aConnection();
    const { hub, idle, take, claimed } = await aHubWithAgent({}, connection);
    hub.feed(aUid(), { kind: "lost" });
    hub.feed(aUid(2), { kind: "lost" });
    await idle();
    assert.deepEqual(claimed.at(-1), {
      uid: aUid(),
      identity: "",
      transport: "websocket",
      minEpoch: 11,
      seq: null,
      isHeartbeat: false,
    });
    assert.deepEqual([take(), sent], [["11 connected", "11 capabilities-changed"], ["full"]]);
  });

  it("answers a goodbye and forgets the agent", async () => {
    const { hub, receive, take, replies } = await aHubWithAgent();
    receive(1, {}, { facets: [], isGoodbye: true });
    assert.deepEqual([replies, take(), hub.entries.size], [["1 plain"], ["10 end agent_disconnect"], 0]);
  });

  describe("an agent that leaves while the store is asked for it", () => {
    const opening: Opening = {
      epoch: 30,
      checkpoint: { seq: 4n, state: encodeKnown(NOTHING_KNOWN) },
      isMove: false,
      desired,
    };
    const leaving = () => {
      const { promise, resolve } = Promise.withResolvers<Opening>();
      const { connection } = aConnection();
      let claims = 0;
      const world = aHub({ claim: () => (claims++ === 0 ? promise : Promise.resolve({ ...opening, epoch: 31 })) });
      world.receive(5, { connection });
      world.hub.connectionClosed(connection);
      return { ...world, answer: () => resolve(opening) };
    };

    it("is said to be gone under the epoch that the store handed out", async () => {
      const { idle, answer, take, replies, sources } = leaving();
      assert.deepEqual(replies, ["5 refused"]);
      answer();
      await idle();
      assert.deepEqual(take(), ["30 end closed"]);
      assert.deepEqual(sources[0]?.checkpoint(), opening.checkpoint);
    });

    it("is not, when it is back by then", async () => {
      const { idle, answer, take, receive, session } = leaving();
      receive(6, { connection: aConnection().connection });
      answer();
      await idle();
      assert.ok(take().every((what) => !what.includes("end")));
      assert.equal(session()?.kind, "active");
    });
  });

  it("keeps a session's last checkpoint for the flush, however late that is", async () => {
    const { hub, receive, idle, sources } = await aHubWithAgent();
    const first = sources[0];
    receive(1, {}, { facets: [] });
    assert.equal(first?.checkpoint().seq, 1n, "as new as the flush");
    hub.end(aUid(), "silent");
    assert.equal(sources.at(-1)?.checkpoint().seq, 1n);
    receive(9);
    await idle();
    assert.equal(first?.checkpoint().seq, 1n, "a later session has its own");
  });

  describe("questions that come before a message", () => {
    it("gives an agent the uid that it asks for, once for all that it asks (R27)", async () => {
      const renamed: InstanceUid[] = [];
      const rename = async (from: InstanceUid): Promise<InstanceUid> => {
        renamed.push(from);
        return aUid(50);
      };
      const { receive, idle, replies } = aHub({ deps: { rename } });
      receive(0, {}, { wantsUid: true });
      await idle();
      receive(1, {}, { facets: [] });
      receive(2, {}, { wantsUid: true });
      await idle();
      assert.deepEqual([replies, renamed], [["0 identify", "1 plain", "2 identify"], [aUid()]]);
    });

    it("forgets what waits when the connection is gone: nobody would end what it opened", async () => {
      const { promise, resolve } = Promise.withResolvers<InstanceUid>();
      const { connection } = aConnection();
      const state = { isClosed: false };
      const closing = Object.defineProperty({ ...connection }, "isClosed", { get: () => state.isClosed });
      const { hub, receive, idle } = aHub({ deps: { rename: () => promise } });
      receive(0, { connection: closing }, { wantsUid: true });
      receive(1, { connection: closing });
      state.isClosed = true;
      hub.connectionClosed(closing);
      resolve(aUid(50));
      await idle();
      assert.equal(hub.entries.size, 0);
    });

    it("renames nobody for those with other credentials (R152)", async () => {
      const { hub, receive, idle, replies } = aHub({ deps: { rename: async () => null } });
      receive(0, {}, { wantsUid: true });
      await idle();
      assert.deepEqual([replies, hub.entries.size], [["0 rejected"], 0]);
    });

    it("refuses the message when the store cannot be asked, and takes the next", async () => {
      let isAway = true;
      const rename = async (): Promise<InstanceUid> => {
        if (isAway) throw new Error("away");
        return aUid(50);
      };
      const { receive, idle, replies, errors } = aHub({ deps: { rename } });
      receive(0, {}, { wantsUid: true });
      await idle();
      isAway = false;
      receive(0, {}, { wantsUid: true });
      await idle();
      assert.deepEqual([replies, errors.length], [["0 refused", "0 identify"], 1]);
    });

    it("keeps the order of one agent's messages, refuses too many, and lets others pass (H4)", async () => {
      const { promise, resolve } = Promise.withResolvers<InstanceUid>();
      const { hub, receive, idle, replies } = aHub({ deps: { rename: () => promise } });
      receive(0, {}, { wantsUid: true });
      for (let seq = 1; seq <= 16; seq++) receive(seq, {}, { facets: [] });
      receive(100, { uid: aUid(2) });
      assert.deepEqual(replies, ["16 refused"]);
      resolve(aUid(50));
      await idle();
      assert.deepEqual(replies.slice(0, 4), ["16 refused", "100 plain", "0 identify", "1 plain"]);
      assert.equal(replies.length, 18);
      const session = hub.entries.get(aUid())?.session;
      assert.equal(session?.kind === "active" ? session.seq : null, 15n);
    });

    it("answers a request for a certificate, or rejects the message and counts it for nothing (R118)", async () => {
      const settings = { hash: "aa", body: new Uint8Array() };
      const certify: HubDeps["certify"] = async (_, csr) =>
        csr.byteLength > 0 ? { kind: "signed", settings } : { kind: "refused", sentence: "no" };
      const { hub, receive, idle, replies } = await aHubWithAgent({ deps: { certify } });
      receive(1, {}, { csr: new Uint8Array() });
      receive(1, {}, { csr: new Uint8Array([1]) });
      await idle();
      assert.deepEqual(replies, ["1 rejected", "1 settings"]);
      const session = hub.entries.get(aUid())?.session;
      assert.equal(session?.kind === "active" ? session.seq : null, 1n);
    });
  });

  describe("actions", () => {
    const restart: QueuedAction = { actionId: "a", kind: "restart", expiresAtMs: 2_000, message: null };
    const message = { capability: "io.example.x", type: "t", data: new Uint8Array() };
    const sends: QueuedAction = { ...restart, actionId: "b", kind: "custom_message", message };
    const queueOf = (...waiting: QueuedAction[]) => {
      return async (): Promise<QueuedAction | undefined> => waiting.shift();
    };
    const able = {
      capabilities: CAPABILITIES | agentCapabilityMask(["AcceptsRestartCommand"]),
      facets: [
        description,
        { kind: "customCapabilities", digest: "c", capabilities: ["io.example.x"] },
      ] satisfies ReportedFacet[],
    };

    it("are pushed over a WebSocket, each in a message of its own, and told", async () => {
      const { connection, sent } = aConnection();
      const takeAction = queueOf(restart, { ...restart, kind: "refresh", actionId: "c" }, sends);
      const { hub, receive, idle, take } = aHub({ deps: { takeAction } });
      receive(0, { connection }, able);
      await idle();
      take();
      hub.feed(aUid(), { kind: "actions-wait" });
      await idle();
      assert.deepEqual([sent, take().length], [["restart", "full", "message"], 3]);
    });

    it("wait for the polls of an agent that polls, one with each answer, and never twice (R129)", async () => {
      const { hub, receive, idle, replies } = aHub({ deps: { takeAction: queueOf(restart, sends) } });
      receive(0, {}, able);
      await idle();
      hub.feed(aUid(), { kind: "actions-wait" });
      for (const seq of [1, 1, 2, 3]) {
        receive(seq, {}, { ...able, facets: [] });
        await idle();
      }
      assert.deepEqual(replies, ["0 plain", "1 restart", "1 message", "2 plain", "3 plain"]);
    });

    it("are not sent when they are too old, or when the agent cannot take them", async () => {
      const { connection, sent } = aConnection();
      const takeAction = queueOf({ ...restart, expiresAtMs: 1_000 }, sends, restart);
      const { hub, idle } = await aHubWithAgent({ deps: { takeAction } }, connection);
      hub.feed(aUid(), { kind: "actions-wait" });
      await idle();
      assert.deepEqual(sent, []);
    });
  });

  describe("inventories", () => {
    const hashOnly: ReportedFacet = { kind: "components", digest: "i", inventory: "aa", address: "i", body: null };
    const able = {
      capabilities: CAPABILITIES | agentCapabilityMask(["ReportsAvailableComponents"]),
      facets: [description, hashOnly],
    };

    it("are asked for with the first answer when nobody has told them, and once (R154)", async () => {
      for (const connection of [null, aConnection().connection]) {
        const { receive, idle, replies } = aHub({ deps: { inventories: NOBODY_TOLD } });
        for (const seq of [0, 1, 2]) {
          receive(seq, { connection }, { ...able, facets: seq === 0 ? able.facets : [] });
          await idle();
        }
        assert.deepEqual(replies, ["0 inventory", "1 plain", "2 plain"]);
      }
    });

    it("are asked for when an agent names others later on: by a push, or with the answer to the next poll", async () => {
      const { connection, sent } = aConnection();
      const pushed = await aHubWithAgent({ deps: { inventories: NOBODY_TOLD } }, connection);
      pushed.receive(1, { connection }, able);
      await pushed.idle();
      assert.deepEqual([pushed.replies, sent], [["1 plain"], ["inventory"]]);
      const polled = await aHubWithAgent({ deps: { inventories: NOBODY_TOLD } });
      for (const seq of [1, 2]) {
        polled.receive(seq, {}, { ...able, facets: seq === 1 ? able.facets : [] });
        await polled.idle();
      }
      assert.deepEqual(polled.replies, ["1 plain", "2 inventory"]);
    });

    it("are not asked for when they are known, or when the agent cannot tell them", async () => {
      const { connection, sent } = aConnection();
      const known = aHub();
      known.receive(0, { connection }, able);
      const unable = aHub({ deps: { inventories: NOBODY_TOLD } });
      unable.receive(0, { connection }, { ...able, capabilities: CAPABILITIES });
      await Promise.all([known.idle(), unable.idle()]);
      assert.deepEqual(sent, []);
    });
  });

  describe("an agent that comes under the uid it was given", () => {
    it("goes on with its counter and all that was told, and ends under the old one", async () => {
      const { connection, sent } = aConnection();
      const claim = async ({ uid }: Claim): Promise<Opening> => ({
        epoch: uid === aUid() ? 10 : 11,
        checkpoint: null,
        isMove: false,
        desired: null,
        renamedFrom: uid === aUid() ? null : aUid(),
      });
      const { hub, receive, idle, take, replies } = aHub({ claim });
      receive(0, { connection });
      await idle();
      take();
      receive(1, { uid: aUid(50), connection }, { facets: [] });
      await idle();
      assert.deepEqual(take(), ["10 end renamed", "11 connected", "11 renamed"]);
      assert.deepEqual([replies.at(-1), sent, [...hub.entries.keys()]], ["1 plain", [], [aUid(50)]]);
    });

    it("is taken for what it was also when opening failed once", async () => {
      let isAway = true;
      const claim = async ({ uid }: Claim): Promise<Opening> => {
        if (uid === aUid(50) && isAway) {
          isAway = false;
          throw new Error("away");
        }
        const renamedFrom = uid === aUid() ? null : aUid();
        return { epoch: uid === aUid() ? 10 : 11, checkpoint: null, isMove: false, desired: null, renamedFrom };
      };
      const { receive, idle, take, replies } = await aHubWithAgent({ claim });
      for (const seq of [1, 1]) {
        receive(seq, { uid: aUid(50) }, { facets: [] });
        await idle();
      }
      assert.deepEqual(replies, ["1 refused", "1 plain"]);
      assert.deepEqual(take(), ["10 end renamed", "11 connected", "11 renamed"]);
    });

    it("is taken over from where it was, when that was another gateway", async () => {
      const state = encodeKnown({ ...NOTHING_KNOWN, capabilities: CAPABILITIES, digests: { description: "d" } });
      const claim = async ({ uid, minEpoch }: Claim): Promise<Opening> => ({
        epoch: uid === aUid() ? 20 : Math.max(11, minEpoch),
        checkpoint: uid === aUid() ? { seq: 6n, state } : null,
        isMove: uid === aUid(),
        desired: null,
        renamedFrom: uid === aUid() ? null : aUid(),
      });
      const { receive, idle, take, replies } = aHub({ claim });
      receive(7, { uid: aUid(50) }, { facets: [] });
      await idle();
      assert.deepEqual(take(), ["20 end renamed", "21 connected", "21 renamed"]);
      assert.deepEqual(replies, ["7 plain"]);
    });
  });

  it("reads afresh what was hinted at while a session opened", async () => {
    const { promise, resolve } = Promise.withResolvers<Opening>();
    const { connection, sent } = aConnection();
    const deps = { loadDesired: async () => [desired] };
    const { hub, receive, idle } = aHub({ claim: () => promise, deps });
    receive(0, { connection });
    hub.desired(aUid(), null);
    resolve({ epoch: 10, checkpoint: null, isMove: false, desired: null });
    await idle();
    assert.deepEqual(sent, ["offer"]);
  });

  describe("a uid that is another's", () => {
    it("is refused to other credentials, at this gateway and at the store (R152)", async () => {
      const here = await aHubWithAgent();
      here.receive(1, { identity: "other" });
      await here.idle();
      assert.deepEqual([here.replies, here.take()], [["1 rejected"], []]);
      const there = aHub({ claim: async () => ({ kind: "foreign" }) });
      there.receive(0);
      await there.idle();
      assert.deepEqual([there.replies, there.hub.entries.size], [["0 rejected"], 0]);
    });

    it("is left to the agent that lives at another gateway (R143)", async () => {
      const { connection } = aConnection();
      const { hub, receive, idle, replies, take } = aHub({ claim: async () => ({ kind: "twin" }) });
      receive(0, { connection });
      receive(1, { connection });
      await idle();
      receive(2, { connection });
      assert.deepEqual(replies, ["0 identify", "1 identify", "2 plain"]);
      assert.deepEqual([take(), hub.entries.size], [[], 0]);
    });

    it("is found out by the counters of two agents that poll, and the younger is told another", async () => {
      let last: Opening["checkpoint"] = null;
      const claim = async (): Promise<Opening> => ({ epoch: 10, checkpoint: last, isMove: true, desired: null });
      const { hub, receive, idle, replies } = aHub({ claim });
      for (const seq of [5, 0, 6, 1, 7]) {
        receive(seq);
        await idle();
        const session = hub.entries.get(aUid())?.session;
        assert.ok(session?.kind === "active" && session.seq !== null);
        last = { seq: session.seq, state: encodeKnown(session.known) };
      }
      assert.deepEqual(
        replies.map((reply) => reply.includes("identify")),
        [false, false, false, true, false],
      );
    });
  });
});
