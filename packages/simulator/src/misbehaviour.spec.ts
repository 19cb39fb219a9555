// Going wrong on purpose: what a server sees of each kind.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Drive } from "./drive.ts";
import { createDrive, GOOD_1, GOOD_2 } from "./drive.ts";
import type { Misbehaviour } from "./misbehaviour.ts";

const CRASHED = 'health false "Agent process exited unexpectedly, exit code=1. Will restart in a bit..."';
const FAILED = 'status FAILED h-2 "Agent exited unexpectedly with exit code 1 while applying configuration"';
const UP_1 = ["health false StatusStarting", "effective good-1", "health true StatusOK"];
const UP_2 = ["health false StatusStarting", "effective good-2", "health true StatusOK"];
const BEGIN = ["effective good-1; status APPLYING h-2", "health false StatusStopping"];

const offer = (drive: Drive): void => drive.offer("h-2", GOOD_2);

const cases: readonly { name: string; how: Misbehaviour; act: (drive: Drive) => void; want: readonly string[] }[] = [
  { name: "stall: no answer to an offer", how: { kind: "stall" }, act: offer, want: [] },
  {
    name: "stall: everything else goes on",
    how: { kind: "stall" },
    act: (drive) => drive.receive({ remoteConfig: { configHash: Buffer.from("h-2") }, flags: 2n }),
    want: ["components full"],
  },
  {
    name: "reject: FAILED at once, and the config before is confirmed",
    how: { kind: "reject", error: "not today" },
    act: (drive) => {
      offer(drive);
      drive.offer("h-1", GOOD_1);
    },
    want: ['status FAILED h-2 "not today"', "status APPLIED h-1"],
  },
  {
    name: "apply-then-rollback: APPLYING(B), FAILED(B), APPLIED(A)",
    how: { kind: "apply-then-rollback" },
    act: offer,
    want: [...BEGIN, CRASHED, FAILED, ...UP_1, "status APPLIED h-1"],
  },
  {
    name: "die-after-offer: silence",
    how: { kind: "die-after-offer" },
    act: (drive) => {
      offer(drive);
      assert.equal(drive.view().phase, "down");
      assert.equal(drive.stored(), "h-2");
    },
    want: [],
  },
  {
    name: "die-after-offer with coming back: still APPLYING, and healthy with it",
    how: { kind: "die-after-offer", comeBackAfterMs: 3000 },
    act: (drive) => {
      offer(drive);
      drive.advance(3000);
      drive.input({ kind: "connected" });
    },
    want: ["description; health false; effective empty; status APPLYING h-2; packages; components hash", ...UP_2],
  },
  {
    name: "crash-after-apply: APPLIED, then crashes; the config before runs",
    how: { kind: "crash-after-apply", afterMs: 500 },
    act: (drive) => {
      offer(drive);
      drive.advance(6000);
      drive.offer("h-1", GOOD_1);
    },
    want: [
      ...BEGIN,
      ...UP_2,
      "status APPLIED h-2",
      CRASHED,
      "effective good-2; status APPLYING h-1",
      ...UP_1,
      "status APPLIED h-1",
    ],
  },
];

describe("misbehaviour", () => {
  for (const c of cases) {
    it(c.name, () => {
      const drive = createDrive({});
      drive.settle("h-1", GOOD_1);
      drive.misbehave(c.how);
      c.act(drive);
      drive.advance(c.how.kind === "die-after-offer" ? 100 : 9000);
      assert.deepEqual(drive.told(), c.want);
    });
  }

  it("skip-sequence-numbers: every message leaves a gap", () => {
    const drive = createDrive({});
    drive.settle("h-1", GOOD_1);
    drive.misbehave({ kind: "skip-sequence-numbers", count: 2 });
    for (let i = 0; i < 3; i++) drive.input({ kind: "heartbeat" });
    const [first = 0n, ...rest] = drive.sequenceNums();
    assert.deepEqual(rest, [first + 3n, first + 6n]);
  });

  it("duplicate-uid: somebody else's uid, until the server gives a new one", () => {
    const drive = createDrive({});
    drive.settle("h-1", GOOD_1);
    drive.misbehave({ kind: "duplicate-uid", uid: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b" });
    assert.equal(drive.view().uid, "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
    drive.receive({ agentIdentification: { newInstanceUid: new Uint8Array(16).fill(1) } });
    drive.input({ kind: "heartbeat" });
    assert.equal(drive.view().uid, "01010101-0101-0101-0101-010101010101");
  });

  it("apply-then-rollback without an earlier config goes back to the base config", () => {
    const drive = createDrive({});
    drive.fresh();
    drive.advance(1000);
    drive.forget();
    drive.misbehave({ kind: "apply-then-rollback" });
    offer(drive);
    drive.advance(9000);
    assert.deepEqual(drive.told().slice(-2), ["effective base", "health true StatusOK"]);
  });
});
