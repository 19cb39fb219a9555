import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { contentTypeOf, countOption, serverOption, spanOption, stagesOption, toStages } from "./input.ts";

describe("stages", () => {
  const right = [
    {
      typed: "10%,50%,100%",
      bakeMs: 0,
      stages: [
        ["percent", 10, 0],
        ["percent", 50, 0],
        ["percent", 100, 0],
      ],
    },
    {
      typed: "5,25,100%",
      bakeMs: 0,
      stages: [
        ["count", 5n, 0],
        ["count", 25n, 0],
        ["percent", 100, 0],
      ],
    },
    {
      typed: "10%:30s, 0.5%",
      bakeMs: 60_000,
      stages: [
        ["percent", 10, 30_000],
        ["percent", 0.5, 60_000],
      ],
    },
    { typed: "5:0", bakeMs: 60_000, stages: [["count", 5n, 0]] },
    { typed: undefined, bakeMs: 5_000, stages: [["percent", 100, 5_000]] },
  ];
  for (const { typed, bakeMs, stages } of right) {
    it(`${typed} with a common bake time of ${bakeMs} ms`, () => {
      const parsed = toStages(typed === undefined ? undefined : stagesOption(typed), bakeMs);
      assert.deepEqual(
        parsed.map(({ size, bake }) => [size.case, size.value, bake === undefined ? null : durationMs(bake)]),
        stages,
      );
    });
  }
  for (const typed of ["", "ten", "10%%", "-5", "1.5", "10%:soon", "10%,,50%"]) {
    it(`"${typed}" is refused with an example`, () => assert.throws(() => stagesOption(typed), /write 10%, 25/));
  }
});

describe("other options", () => {
  const servers = [
    { typed: "127.0.0.1:4321", url: "http://127.0.0.1:4321" },
    { typed: "muster.example:443", url: "http://muster.example:443" },
    { typed: "https://muster.example", url: "https://muster.example" },
    { typed: "[::1]:4321", url: "http://[::1]:4321" },
  ];
  for (const { typed, url } of servers) it(`${typed} is a server`, () => assert.equal(serverOption(typed), url));
  for (const typed of ["", "ftp://x", "http://x/y", "a b"]) {
    it(`"${typed}" is no server`, () => assert.throws(() => serverOption(typed), /host:port/));
  }
  it("takes counts from a least one on", () => {
    assert.equal(countOption(1)("7"), 7);
    for (const typed of ["0", "-1", "x", "1.5", "99999999999999999999"])
      assert.throws(() => countOption(1)(typed), /whole number/);
  });
  it("takes spans", () => {
    assert.equal(spanOption("5m"), 300_000);
    assert.throws(() => spanOption("5"), /30s, 5m/);
  });
  it("tells YAML and JSON by their names", () => {
    const names = ["a.yaml", "a.YML", "b.json", "c.txt", "yaml"];
    assert.deepEqual(names.map(contentTypeOf), ["text/yaml", "text/yaml", "application/json", null, null]);
  });
});
