import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseOptions, UsageError } from "./options.ts";

const TARGET = ["--target", "ws://host:4320/v1/opamp"];

describe("the command line", () => {
  it("takes the other transport to be at the same place", () => {
    for (const [target, ws, http] of [
      ["ws://a:1/x", "ws://a:1/x", "http://a:1/x"],
      ["http://a:1/x", "ws://a:1/x", "http://a:1/x"],
      ["wss://a/x", "wss://a/x", "https://a/x"],
      ["https://a:8443/x", "wss://a:8443/x", "https://a:8443/x"],
    ] as const) {
      const options = parseOptions(["--target", target]);
      assert.deepEqual([options.ws.href, options.http.href], [ws, http]);
    }
  });

  it("reads everything", () => {
    const more = [
      "--only",
      "r37,R40",
      "--header",
      "A: b:c",
      "--header",
      "D:e",
      "--max-message-bytes",
      "1024",
      "--strict",
    ];
    const driver = ["--driver", "muster", "--management", "there:1"];
    const options = parseOptions([...TARGET, ...more, ...driver, "--http-target", "https://b/y"]);
    assert.deepEqual(options.only, ["R37", "R40"]);
    assert.deepEqual(options.headers, { A: "b:c", D: "e" });
    assert.deepEqual([options.maxMessageBytes, options.isStrict, options.management], [1024, true, "there:1"]);
    assert.equal(options.http.href, "https://b/y");
  });

  it("has no driver unless asked for one", () => assert.equal(parseOptions(TARGET).management, null));

  const wrong: readonly (readonly [name: string, args: readonly string[], says: RegExp])[] = [
    ["no target", [], /--target is missing/],
    ["a target that is no URL", ["--target", "host:4320"], /--target must be a ws/],
    ["a requirement that is none", [...TARGET, "--only", "R156"], /no requirement "R156"/],
    ["a driver that is none", [...TARGET, "--driver", "nobody"], /--driver nobody/],
    ["a number that is none", [...TARGET, "--max-message-bytes", "64MiB"], /whole number/],
    ["a header without a colon", [...TARGET, "--header", "Authorization"], /Name: value/],
    ["an option that is none", [...TARGET, "--fast"], /--fast/],
  ];
  for (const [name, args, says] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => parseOptions(args),
        (error: unknown) => error instanceof UsageError && says.test(error.message),
      );
    });
  }
});
