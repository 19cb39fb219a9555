import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { createDoor, type DoorDeps } from "./door.ts";

const digest = (token: string): string => createHash("sha256").update(token).digest("hex");

function aDoor(overrides: Partial<DoorDeps> = {}) {
  const clock = { nowMs: 0 };
  let refused = 0;
  const door = createDoor({
    tokens: new Map([[digest("s3cret"), "edge"]]),
    upgradesPerSecond: 2,
    maxConnections: 10,
    openConnections: () => 0,
    isReady: () => true,
    nowMs: () => clock.nowMs,
    retryAfterS: () => 42,
    onRefused: () => {
      refused += 1;
    },
    ...overrides,
  });
  const upgrade = (authorization = "Bearer s3cret") => door({ authorization, isUpgrade: true });
  const post = (authorization = "Bearer s3cret") => door({ authorization, isUpgrade: false });
  return { upgrade, post, clock, refused: () => refused };
}

describe("door", () => {
  const headers: readonly (readonly [header: string, expected: string])[] = [
    ["Bearer s3cret", "edge"],
    ["bearer   s3cret", "edge"],
    ["", "unauthorized"],
    ["Bearer", "unauthorized"],
    ["Bearer other", "unauthorized"],
    ["Basic s3cret", "unauthorized"],
    [`Bearer ${digest("s3cret")}`, "unauthorized"],
  ];
  for (const [header, expected] of headers) {
    it(`takes "${header.slice(0, 20)}" for ${expected} (R146)`, () => {
      const admission = aDoor().post(header);
      assert.equal(admission.kind === "admitted" ? admission.identity : admission.kind, expected);
    });
  }

  it("asks nobody when there are no tokens", () => {
    assert.deepEqual(aDoor({ tokens: new Map() }).upgrade(""), { kind: "admitted", identity: "" });
  });

  it("lets two seconds' worth of upgrades in at once, and then as many as there may be (R60)", () => {
    const { upgrade, clock, refused } = aDoor();
    const kinds = (count: number) => Array.from({ length: count }, () => upgrade().kind);
    assert.deepEqual(kinds(5), ["admitted", "admitted", "admitted", "admitted", "busy"]);
    assert.deepEqual(upgrade(), { kind: "busy", status: 429, retryAfterS: 42 });
    assert.equal(refused(), 2);
    clock.nowMs = 500;
    assert.deepEqual(kinds(2), ["admitted", "busy"]);
    clock.nowMs = 3_600_000;
    assert.deepEqual(kinds(5), ["admitted", "admitted", "admitted", "admitted", "busy"]);
  });

  it("turns upgrades away while the store is away, and when there are too many, but answers posts", () => {
    const away = aDoor({ isReady: () => false });
    assert.deepEqual(away.upgrade(), { kind: "busy", status: 503, retryAfterS: 42 });
    assert.equal(away.post().kind, "admitted");
    assert.equal(aDoor({ openConnections: () => 10 }).upgrade().kind, "busy");
  });
});
