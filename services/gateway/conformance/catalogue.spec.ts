import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { root } from "@muster/local";
import { CASES } from "./catalogue.ts";
import { NOTES } from "./notes.ts";
import { numberOf, parseRequirementId, REQUIREMENTS } from "./requirements.ts";
import { UNSEEN } from "./unseen.ts";

describe("the catalogue", () => {
  it("has the requirements R1 to R155, each once and in order", () => {
    assert.deepEqual(
      REQUIREMENTS.map(({ id }) => numberOf(id)),
      Array.from({ length: 155 }, (_, i) => i + 1),
    );
  });

  it("has a case or a reason for each of them, and not both", () => {
    const seen = new Set(CASES.flatMap(({ ids }) => ids));
    const unseen = new Set(UNSEEN.map(({ id }) => id));
    for (const { id } of REQUIREMENTS) assert.ok(seen.has(id) !== unseen.has(id), id);
  });

  it("names requirements that exist and at least one transport in every case", () => {
    for (const { ids, says, over } of CASES) {
      assert.ok(ids.length > 0 && over.length > 0, says);
      for (const id of ids) assert.equal(parseRequirementId(id), id, says);
    }
  });

  it("tells the cases of a requirement apart by their sentence", () => {
    const names = CASES.flatMap(({ ids, says, over }) =>
      ids.flatMap((id) => over.map((each) => `${id} ${each} ${says}`)),
    );
    assert.equal(new Set(names).size, names.length);
  });

  it("names specs that exist where Muster shows what cannot be seen", () => {
    for (const { id, shownBy } of UNSEEN) {
      if (shownBy === null) continue;
      assert.ok(shownBy.endsWith(".spec.ts") && existsSync(`${root}${shownBy}`), `${id}: ${shownBy}`);
    }
  });

  it("has notes on requirements that exist, one each at most", () => {
    const noted = NOTES.flatMap(({ ids }) => ids);
    assert.equal(new Set(noted).size, noted.length);
    for (const id of noted) assert.equal(parseRequirementId(id), id);
  });
});
