import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FleetError } from "./error.ts";
import { matches, parseSelector, parseTargetSelector } from "./selector.ts";

const labels = new Map([
  ["env", "prod"],
  ["region", "eu"],
  ["name", "prod-17"],
  ["k8s.pod/name", "a b"],
  ["icon", "\u{1f680}"],
]);

const cases: readonly (readonly [selector: string, expected: boolean])[] = [
  ["", true],
  ["env=prod", true],
  ["env==prod", true],
  ["env=staging", false],
  ["env!=staging", true],
  ["canary!=true", true],
  ["env", true],
  ["!env", false],
  ["!canary", true],
  ["region in (eu,us)", true],
  ["region notin (eu,us)", false],
  ["zone notin (a)", true],
  ["env=prod, region in ( eu , us ) ,!canary", true],
  ["env=prod,region=us", false],
  ["name=prod-*", true],
  ["name=prod-?", false],
  ["name=prod-??", true],
  ["name!=prod-*", false],
  ['name="prod-*"', false],
  ['k8s.pod/name="a b"', true],
  ["name=prod.17", false],
  ["name=*", true],
  ["name=*1*7*", true],
  ["name=**17", true],
  ["name=*1?", true],
  ["name=*17?", false],
  ["name=p*d-1", false],
  ["icon=?", true],
  ["icon=??", false],
  ["icon=*\u{1f680}", true],
];

describe("selector", () => {
  for (const [text, expected] of cases) {
    it(`${text === "" ? "(empty)" : text} is ${expected}`, () => {
      assert.equal(matches(parseSelector(text), labels), expected);
    });
  }

  const errors: readonly (readonly [selector: string, column: number])[] = [
    ["env=", 5],
    ["=prod", 1],
    ["env=prod,", 10],
    ["env in eu", 8],
    ["env in (eu", 11],
    ["env prod", 5],
    ['env="prod', 5],
    ["env=prod region=eu", 10],
    ["icon=\u{1f680},env=", 12],
    ["env=prod, connected=maybe", 11],
    ["!env,healthy in (true,soon)", 6],
  ];
  for (const [text, column] of errors) {
    it(`${text} is refused, pointing at column ${column}`, () => {
      assert.throws(
        () => parseSelector(text),
        (error) =>
          error instanceof FleetError &&
          error.code === "invalid" &&
          new RegExp(`column ${column}\\b`).test(error.message),
      );
    });
  }

  it("evaluates hostile globs in time", { timeout: 5_000 }, () => {
    const hostile = new Map([["blob", "a".repeat(4_000)]]);
    assert.equal(matches(parseSelector(`blob=${"*a".repeat(40)}*b`), hostile), false);
  });

  it("refuses a selector without end", () => {
    assert.throws(() => parseSelector("a,".repeat(5_000)), /more than the 4096/);
  });

  const facts: readonly (readonly [text: string, refused: RegExp | null])[] = [
    ["connected=maybe", /"connected" is true or false, never "maybe"/],
    ["connected!=yes,healthy in (true,soon)", /never "yes".*never "soon"/],
    ["config.status=broken", /unset, applied, applying or failed, never "broken"/],
    ["healthy=t?", /never "t\?"/],
    ["config.status=appl*,healthy in (true,false),!connected,connected", null],
    ["gateway=anything", null],
  ];
  for (const [text, refused] of facts) {
    it(`${refused === null ? "takes" : "refuses"} ${text}: facts are of a few words`, () => {
      if (refused === null) parseSelector(text);
      else assert.throws(() => parseSelector(text), refused);
    });
  }

  it("refuses passing facts in the target of a config, whatever they are compared to", () => {
    assert.throws(() => parseTargetSelector("connected=maybe"), /passing fact/);
    assert.throws(
      () => parseTargetSelector("env=prod,connected=true,!healthy"),
      /column 10: "connected" is a passing fact.*column 25: "healthy" is a passing fact/,
    );
  });

  it("never throws anything but an invalid FleetError", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          matches(parseSelector(text), labels);
        } catch (error) {
          assert.ok(error instanceof FleetError && error.code === "invalid");
        }
      }),
    );
  });
});
