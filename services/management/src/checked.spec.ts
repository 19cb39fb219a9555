import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FleetError } from "@muster/fleet";
import { checked, invalid, parseCount, parseRequestId, within } from "./checked.ts";

describe("checked", () => {
  it("answers what each parser does", () => {
    assert.deepEqual(checked({ a: () => 1, b: () => "two" }), { a: 1, b: "two" });
  });

  it("reports everything that is wrong at once", () => {
    const check = () =>
      checked({
        a: () => {
          throw invalid("a", "is wrong.");
        },
        b: () => within("b", () => parseRequestId("x".repeat(200))),
        c: () => parseCount("c", -1n),
      });
    assert.throws(check, (error: FleetError) => {
      assert.deepEqual(
        error.violations.map((v) => v.field),
        ["a", "b.request_id", "c"],
      );
      return true;
    });
  });

  it("lets every other error through", () => {
    const boom = new FleetError("unavailable", "away");
    assert.throws(
      () =>
        checked({
          a: () => {
            throw boom;
          },
        }),
      boom,
    );
  });
});
