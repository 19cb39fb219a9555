import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { Entry } from "./entry.ts";
import { NOTHING_KNOWN } from "./known.ts";
import { type ActiveSession, openSession, type Session } from "./session.ts";
import { NOTHING_WANTED } from "./settings.ts";

const peer = {
  uid: aUid(),
  gateway: parseGatewayId("gw"),
  transport: "websocket",
  remoteAddress: "127.0.0.1",
  isStrict: false,
} as const;

const quiet: ActiveSession = {
  kind: "active",
  peer,
  epoch: 1,
  n: 3,
  seq: 0n,
  known: { ...NOTHING_KNOWN, capabilities: 7n },
  desired: null,
  wanted: NOTHING_WANTED,
  hasRestarted: false,
  isLost: false,
  hasActions: false,
  renamedTo: null,
  owesInventory: false,
  isQuiet: true,
};

const entryOf = (session: Session) => new Entry(aUid(), "", null, session);

describe("an entry", () => {
  it("knows its uid where a message has it, and no other", () => {
    const [own, other] = [aUid(), aUid(2)].map((uid) => Buffer.from(`ffff${uid.replaceAll("-", "")}ff`, "hex"));
    const entry = entryOf(quiet);
    assert.deepEqual(
      [own, other].map((bytes) => bytes !== undefined && entry.hasUidAt(bytes, 2)),
      [true, false],
    );
    for (let i = 2; i < 18; i++) {
      const changed = Uint8Array.from(own ?? [], (byte, at) => (at === i ? byte ^ 1 : byte));
      assert.ok(!entry.hasUidAt(changed, 2), `with another byte at ${i}`);
    }
  });

  it("counts heartbeats that follow", () => {
    const entry = entryOf(quiet);
    assert.deepEqual([entry.beat(1, 7), entry.beat(2, 0)], [true, true]);
    assert.deepEqual(entry.session, { ...quiet, seq: 2n });
    assert.ok(entry.beat(3, 7), "after somebody looked at the session");
    assert.deepEqual(entry.session, { ...quiet, seq: 3n });
  });

  const others: readonly (readonly [string, number, number, Session])[] = [
    ["a gap", 2, 7, quiet],
    ["a repetition", 0, 7, quiet],
    ["other capabilities", 1, 8, quiet],
    ["a session that owes something", 1, 7, { ...quiet, isQuiet: false }],
    ["a session that has heard nothing", 1, 7, { ...quiet, seq: null }],
    ["a session that opens", 1, 7, openSession(peer)],
  ];
  for (const [name, seq, capabilities, session] of others) {
    it(`leaves ${name} to the session`, () => {
      const entry = entryOf(session);
      assert.equal(entry.beat(seq, capabilities), false);
      assert.equal(entry.session, session, "untouched");
    });
  }

  it("goes on from the session it is given", () => {
    const entry = entryOf(quiet);
    entry.beat(1, 7);
    const next: ActiveSession = { ...quiet, seq: 9n, known: { ...quiet.known, capabilities: 15n } };
    entry.session = next;
    assert.equal(entry.session, next);
    assert.deepEqual([entry.beat(2, 7), entry.beat(10, 7), entry.beat(10, 15)], [false, false, true]);
  });
});
