import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfigHash, parseGatewayId } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import { agentCapabilityMask } from "@muster/protocol";
import { encodeKnown, NOTHING_KNOWN } from "./known.ts";
import type { Report, ReportedFacet } from "./report.ts";
import {
  type ActiveSession,
  afterBeats,
  type Effect,
  type Input,
  nextBeat,
  type Opening,
  openSession,
  type Peer,
  type Session,
  step,
} from "./session.ts";

const CAPABILITIES = agentCapabilityMask(["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig"]);
const peer: Peer = {
  uid: aUid(),
  gateway: parseGatewayId("gw"),
  transport: "websocket",
  remoteAddress: "127.0.0.1",
  isStrict: false,
};

const description = (digest = "d"): ReportedFacet => ({
  kind: "description",
  digest,
  identifying: [],
  nonIdentifying: [],
});
const ack = (state: "applied" | "applying" | "failed" | "unset", hash = aHash("b")): ReportedFacet => ({
  kind: "acknowledgement",
  digest: `${state} ${hash}`,
  hash,
  state,
  error: "",
});
/** A first report: all that the capabilities promise. */
const everything = (): readonly ReportedFacet[] => [description(), ack("unset", parseConfigHash(""))];
const aReport = (seq: number, facets: readonly ReportedFacet[] = [], rest: Partial<Report> = {}): Report => ({
  seq: BigInt(seq),
  capabilities: CAPABILITIES,
  facets,
  message: null,
  wantsUid: false,
  csr: null,
  isGoodbye: false,
  ...rest,
});
const reports = (report: Report, nowMs = 0, exchange = 1): Input => ({
  kind: "report",
  report,
  exchange,
  nowMs,
  mayAskFullState: true,
});
const opens = (opening: Partial<Opening> = {}): Input => ({
  kind: "opened",
  opened: { epoch: 5, checkpoint: null, isMove: false, desired: null, ...opening },
  nowMs: 0,
  mayAskFullState: true,
});
const desired = { hash: aHash("b"), contributions: [], assignedAtMs: 0 };

/** Runs inputs and answers the session with the effects of the last one. */
function run(
  inputs: readonly Input[],
  at: Session = openSession(peer),
): { session: Session; effects: readonly Effect[] } {
  let [session, effects]: readonly [Session, readonly Effect[]] = [at, []];
  for (const input of inputs) [session, effects] = step(session, input);
  return { session, effects };
}

/** A session whose agent has told everything at sequence number 0. */
function told(opening: Partial<Opening> = {}): ActiveSession {
  const { session } = run([reports(aReport(0, everything())), opens(opening)]);
  assert.ok(session.kind === "active");
  return session;
}

/** Effects in short: what a reply asks for, and which events are emitted. */
function brief(effects: readonly Effect[]): string {
  return effects
    .map((effect) => {
      if (effect.kind === "emit" || effect.kind === "end")
        return effect.event.kind.replace("agent.", effect.kind === "end" ? "end " : "");
      if (effect.kind === "reply" || effect.kind === "push")
        return `${effect.kind}${effect.say.fullState ? " full" : ""}${effect.say.config === null ? "" : " offer"}`;
      return effect.kind;
    })
    .join(", ");
}

describe("a session", () => {
  it("emits nothing before it has an epoch, and then everything, in order, under it (S1)", () => {
    const opening = run([reports(aReport(0, everything()))]);
    assert.equal(brief(opening.effects), "open");
    const { effects } = run([opens()], opening.session);
    assert.equal(brief(effects), "connected, capabilities-changed, described, config-acknowledged, reply");
    const events = effects.flatMap((e) => (e.kind === "emit" ? [e.event] : []));
    assert.deepEqual(
      events.map((e) => [e.epoch, e.n]),
      [
        [5, 1],
        [5, 2],
        [5, 3],
        [5, 4],
      ],
    );
  });

  it("answers every message that waited for the epoch (S3)", () => {
    const { effects } = run([reports(aReport(0, everything()), 0, 1), reports(aReport(1), 0, 2), opens()]);
    assert.deepEqual(
      effects.flatMap((e) => (e.kind === "reply" ? [e.to] : [])),
      [1, 2],
    );
  });

  it("looks again once it is open at what was hinted meanwhile: the store may have answered before", () => {
    const hinted: Input = { kind: "desired", desired, nowMs: 0 };
    const { effects } = run([reports(aReport(0, everything())), hinted, { kind: "actions-wait" }, opens()]);
    assert.deepEqual(effects.at(-1), { kind: "look-again" });
    const quiet = run([reports(aReport(0, everything())), opens()]);
    assert.equal(quiet.effects.at(-1)?.kind, "reply");
  });

  it("refuses what waits when the store is away", () => {
    const { session, effects } = run([reports(aReport(0)), { kind: "open-failed" }]);
    assert.equal(brief(effects), "refuse");
    assert.equal(session.kind, "opening");
  });

  it("emits nothing for a report that repeats what is known (S4)", () => {
    assert.equal(brief(run([reports(aReport(1, everything()))], told()).effects), "reply");
  });

  it("answers heartbeats without a thought while nothing is owed", () => {
    const next = { seq: 1, capabilities: Number(CAPABILITIES) };
    assert.deepEqual(nextBeat(told()), next);
    assert.deepEqual(nextBeat(told({ desired })), next, "an offer under way on a WebSocket");
    const later = afterBeats(told(), 7);
    assert.deepEqual(later, { ...told(), seq: 7n });
    assert.equal(nextBeat(later).seq, 8);
  });

  it("asks for full state at a gap, once, and again only after growing pauses (S2)", () => {
    let session: Session = told();
    const at = (seq: number, nowMs: number): string => {
      const next = run([reports(aReport(seq), nowMs)], session);
      session = next.session;
      return brief(next.effects);
    };
    assert.equal(at(7, 1_000), "reply full");
    assert.equal(at(8, 2_000), "reply");
    assert.equal(at(9, 31_000), "reply full");
    assert.equal(at(10, 62_000), "reply");
    assert.equal(at(11, 92_000), "reply full");
    const answered = run([reports(aReport(12, everything()), 93_000)], session);
    assert.equal(brief(answered.effects), "reply");
    assert.ok(answered.session.kind === "active" && answered.session.isQuiet);
  });

  it("does not ask when the message after a gap tells everything, nor for a repeated message", () => {
    assert.equal(brief(run([reports(aReport(0, everything()))], told()).effects), "reply");
    assert.equal(brief(run([reports(aReport(1)), reports(aReport(1))], told()).effects), "reply");
  });

  it("does not ask beyond the budget, but remembers to", () => {
    const later = run([{ ...reports(aReport(7)), mayAskFullState: false } as Input], told());
    assert.equal(brief(later.effects), "reply");
    assert.equal(brief(run([reports(aReport(8))], later.session).effects), "reply full");
  });

  it("takes a poll of a bare uid as a sign of life and no more (R43)", () => {
    const { session, effects } = run(
      [reports(aReport(0, [], { capabilities: 0n }))],
      run([reports(aReport(3))], told()).session,
    );
    assert.equal(brief(effects), "reply");
    assert.ok(session.kind === "active" && session.seq === 3n);
  });

  it("goes on from a checkpoint without asking for anything", () => {
    const known = { ...NOTHING_KNOWN, capabilities: CAPABILITIES, digests: { description: "d" } };
    const checkpoint = { seq: 41n, state: encodeKnown(known) };
    const { effects } = run([reports(aReport(42)), opens({ checkpoint })]);
    assert.equal(brief(effects), "connected, reply");
  });

  it("is no new connection when a poll merely moved", () => {
    const known = { ...NOTHING_KNOWN, capabilities: CAPABILITIES, digests: { description: "d" } };
    const opening = openSession({ ...peer, transport: "http" });
    const checkpoint = { seq: 41n, state: encodeKnown(known) };
    const { effects } = run([reports(aReport(42)), opens({ checkpoint, isMove: true })], opening);
    assert.equal(brief(effects), "reply");
  });

  it("offers with the first reply, records the offer, and does not repeat it", () => {
    const first = run([reports(aReport(0, everything())), opens({ desired })]);
    assert.equal(
      brief(first.effects),
      "connected, capabilities-changed, described, config-acknowledged, config-offered, reply offer",
    );
    assert.equal(brief(run([reports(aReport(1))], first.session).effects), "reply");
  });

  it("pushes a new desired config at once, and the newest replaces one under way", () => {
    const pushed = run([{ kind: "desired", desired, nowMs: 0 }], told());
    assert.equal(brief(pushed.effects), "config-offered, push offer");
    const replaced = run(
      [{ kind: "desired", desired: { hash: aHash("c"), contributions: [], assignedAtMs: 0 }, nowMs: 0 }],
      pushed.session,
    );
    assert.equal(brief(replaced.effects), "config-offered, push offer");
  });

  it("offers a later try of a config again on the same connection, tells which try it was, and nothing else again", () => {
    const offersOf = (effects: readonly Effect[]) =>
      effects.flatMap((e) => (e.kind === "emit" && e.event.kind === "agent.config-offered" ? [e.event.tries] : []));
    const hinted = (tries?: number): Input => ({
      kind: "desired",
      desired: { ...desired, ...(tries !== undefined && { tries }) },
      nowMs: 9,
    });
    let at: Session = told({ desired });
    const seen: (readonly (number | undefined)[])[] = [];
    for (const tries of [undefined, 1, 2, 2, undefined, 3]) {
      const { session, effects } = run([hinted(tries)], at);
      at = session;
      seen.push(offersOf(effects));
    }
    assert.deepEqual(seen, [[], [], [2], [], [], [3]]);
    const reported = run([reports(aReport(1, [ack("applied")])), hinted(4)], at);
    assert.deepEqual(offersOf(reported.effects), [], "it has the config by now");
  });

  it("knows which try it offered last when the agent comes to another gateway", () => {
    const { session } = run([{ kind: "desired", desired: { ...desired, tries: 2 }, nowMs: 9 }], told({ desired }));
    assert.ok(session.kind === "active");
    const checkpoint = { seq: 0n, state: encodeKnown(session.known) };
    const moved = run([
      reports(aReport(1)),
      opens({ epoch: 6, checkpoint, isMove: true, desired: { ...desired, tries: 2 } }),
    ]);
    const offered = moved.effects.flatMap((e) =>
      e.kind === "emit" && e.event.kind === "agent.config-offered" ? [e.event.tries] : [],
    );
    assert.deepEqual(offered, [2], "what may be lost is sent again as the same try");
  });

  it("remembers a failed hash for good, also when the agent goes back by itself", () => {
    const failed = run(
      [
        { kind: "desired", desired, nowMs: 0 },
        reports(aReport(1, [ack("failed")])),
        reports(aReport(2, [ack("applied", aHash("a"))])),
      ],
      told(),
    );
    assert.equal(brief(failed.effects), "config-acknowledged, reply");
    assert.equal(brief(run([{ kind: "desired", desired, nowMs: 0 }], failed.session).effects), "");
  });

  it("offers again when the offer could not be loaded", () => {
    const offered = run(
      [
        { kind: "desired", desired, nowMs: 0 },
        { kind: "offer-failed", hash: desired.hash },
      ],
      told(),
    );
    assert.equal(brief(run([reports(aReport(1))], offered.session).effects), "config-offered, reply offer");
  });

  it("offers nothing to an agent whose state is not told yet", () => {
    const { effects } = run([reports(aReport(9)), opens({ desired })]);
    assert.equal(brief(effects), "connected, capabilities-changed, reply full");
  });

  it("says goodbye after the reply", () => {
    const { session, effects } = run([reports(aReport(1, [], { isGoodbye: true }))], told());
    assert.equal(brief(effects), "reply, end disconnected");
    assert.equal(session.kind, "closed");
  });

  it("tells everything again when the store lost it, and offers nothing the agent already has", () => {
    const current = run(
      [{ kind: "desired", desired, nowMs: 0 }, reports(aReport(1, [ack("applied")]))],
      told(),
    ).session;
    const anew = run([opens({ epoch: 9, desired })], current);
    assert.equal(brief(anew.effects), "connected, config-offered, capabilities-changed, push full");
    const answered = run([reports(aReport(2, [description(), ack("applied")]))], anew.session);
    assert.equal(brief(answered.effects), "described, config-acknowledged, reply");
  });

  it("asks nobody for everything at once when too many were asked already", () => {
    const anew = run([{ ...opens({ epoch: 9 }), mayAskFullState: false } as Input], told());
    assert.equal(brief(anew.effects), "connected, capabilities-changed");
    assert.equal(brief(run([reports(aReport(1))], anew.session).effects), "reply full");
  });

  it("counts a custom message once that is sent twice (R44)", () => {
    const message = { capability: "io.example.x", type: "t", sizeBytes: 0, kept: null };
    const once = run([reports(aReport(1, [], { message }))], told());
    assert.equal(brief(once.effects), "custom-message-received, reply");
    assert.equal(brief(run([reports(aReport(1, [], { message }))], once.session).effects), "reply");
  });

  it("greets once on a connection, and once however often a poll moves (R130)", () => {
    const greets = (effects: readonly Effect[]) => effects.flatMap((e) => (e.kind === "reply" ? [e.say.greet] : []));
    const first = run([reports(aReport(0, everything())), reports(aReport(1)), opens()]);
    assert.deepEqual(greets(first.effects), [true, false]);
    assert.ok(first.session.kind === "active");
    const checkpoint = { seq: 1n, state: encodeKnown(first.session.known) };
    const moved = openSession({ ...peer, transport: "http" });
    assert.deepEqual(greets(run([reports(aReport(2)), opens({ checkpoint, isMove: true })], moved).effects), [false]);
    assert.deepEqual(greets(run([reports(aReport(2)), opens({ checkpoint })]).effects), [true]);
  });

  it("answers what came after a goodbye while it opened (S3)", () => {
    const goodbye = aReport(1, [], { isGoodbye: true });
    const waiting = [reports(aReport(0, everything()), 0, 1), reports(goodbye, 0, 2), reports(aReport(2), 0, 3)];
    const { session, effects } = run([...waiting, opens()]);
    assert.equal(session.kind, "closed");
    assert.equal(
      brief(effects),
      "connected, capabilities-changed, described, config-acknowledged, reply, reply, end disconnected, refuse",
    );
    assert.deepEqual(effects.at(-1), { kind: "refuse", to: 3 });
  });

  it("asks again with the next message when the store lost it and could not be asked", () => {
    const failed = run([{ kind: "lost" }, { kind: "open-failed" }], told());
    assert.equal(nextBeat(failed.session).seq, -1, "a heartbeat needs a thought");
    const asked = run([reports(aReport(1))], failed.session);
    assert.equal(brief(asked.effects), "reply, open");
    assert.equal(brief(run([reports(aReport(2))], asked.session).effects), "reply", "once");
    const again = run([{ kind: "open-failed" }, reports(aReport(2))], asked.session);
    assert.equal(brief(again.effects), "reply, open");
  });
});
