// Where agents stand.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aUid } from "./builders.ts";
import { type InstanceUid, parseInstanceUid } from "./ids.ts";
import { bornAtMs, EVERYONE, isNewcomer, NOBODY, placeIn, rankOf } from "./rank.ts";

const OLDER = parseInstanceUid("01890000-0000-7000-8000-000000000001");
const YOUNGER = parseInstanceUid("01890001-0000-7000-8000-000000000001");
const AGELESS = parseInstanceUid("01890000-0000-4000-8000-000000000001");
const at = (uid: InstanceUid, risk?: string) => ({
  uid,
  labels: new Map(risk === undefined ? [] : [["muster.risk", risk]]),
});

describe("rankOf", () => {
  it("is always the same, and another under another seed", () => {
    assert.equal(rankOf("seed", aUid(1)), rankOf("seed", aUid(1)));
    assert.notEqual(rankOf("seed", aUid(1)), rankOf("other", aUid(1)));
    assert.match(rankOf("seed", aUid(1)), /^[0-9a-f]{16}$/);
  });

  it("spreads agents evenly", () => {
    const lowCount = Array.from({ length: 2_000 }, (_, n) => rankOf("seed", aUid(n))).filter(
      (rank) => rank < "8",
    ).length;
    assert.ok(lowCount > 900 && lowCount < 1_100, String(lowCount));
  });

  it("lies between nobody and everyone", () => {
    assert.ok(rankOf("seed", aUid(1)) > NOBODY && rankOf("seed", aUid(1)) < EVERYONE);
  });
});

describe("placeIn", () => {
  const cases = [
    { name: "puts the older first", order: "oldest_first", first: at(OLDER), next: at(YOUNGER) },
    { name: "puts those whose uid tells no age last", order: "oldest_first", first: at(YOUNGER), next: at(AGELESS) },
    {
      name: "puts low risk before medium",
      order: "risk_low_first",
      first: at(aUid(1), "low"),
      next: at(aUid(2), "medium"),
    },
    {
      name: "puts medium risk before high",
      order: "risk_low_first",
      first: at(aUid(2), "medium"),
      next: at(aUid(1), "high"),
    },
    {
      name: "takes no word of risk for medium",
      order: "risk_low_first",
      first: at(aUid(1)),
      next: at(aUid(2), "high"),
    },
    {
      name: "takes an unknown word for medium",
      order: "risk_low_first",
      first: at(aUid(1), "odd"),
      next: at(aUid(2), "high"),
    },
  ] as const;
  for (const { name, order, first, next } of cases) {
    it(name, () => assert.ok(placeIn(order, "seed", first) < placeIn(order, "seed", next)));
  }

  it("ranks those that are alike by the seed", () => {
    const byRisk = placeIn("risk_low_first", "seed", at(aUid(1), "low"));
    assert.equal(byRisk, `0${rankOf("seed", aUid(1))}`);
    assert.equal(placeIn("sticky_hash", "seed", at(aUid(1))), rankOf("seed", aUid(1)));
  });
});

describe("age", () => {
  it("is told by a UUIDv7 and by no other", () => {
    assert.equal(bornAtMs(OLDER), 0x018900000000);
    assert.equal(bornAtMs(AGELESS), null);
  });

  it("makes a newcomer of who was born later, and never of who does not say", () => {
    assert.ok(isNewcomer(YOUNGER, 0x018900000000));
    assert.ok(!isNewcomer(OLDER, 0x018900000000));
    assert.ok(!isNewcomer(AGELESS, 0));
  });
});
