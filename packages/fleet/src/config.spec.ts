import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { assessFiles, type ConfigFile, canonicalFiles, hashFiles } from "./config.ts";

function aFile(name: string, body: string | Uint8Array, contentType = ""): ConfigFile {
  return { name, contentType, body: typeof body === "string" ? Buffer.from(body) : body };
}

describe("config files", () => {
  const refused: readonly (readonly [name: string, files: readonly ConfigFile[], pattern: RegExp])[] = [
    ["no file at all", [], /at least one file/],
    ["YAML that does not parse", [aFile("a.yaml", "receivers: [otlp")], /does not parse as YAML/],
    ["YAML with a key twice", [aFile("a.yaml", "a: 1\na: 2")], /does not parse as YAML/],
    ["YAML with a key twice further down", [aFile("a.yaml", "a:\n  b: 1\n  b: 2")], /key "b" is there twice/],
    ["YAML that is a list", [aFile("a.yaml", "- a")], /not a mapping/],
    ["YAML that is only a comment", [aFile("a.yaml", "---\n# nothing\n")], /holds nothing/],
    ["a body of zero bytes", [aFile("a.yaml", "")], /holds nothing/],
    ["a body of zero bytes that nobody would read", [aFile("a.bin", "", "application/octet-stream")], /holds nothing/],
    ["YAML that is nothing in words", [aFile("a.yaml", "null")], /not a mapping/],
    ["a YAML alias bomb", [aFile("a.yaml", aliasBomb())], /does not parse as YAML/],
    ["JSON that does not parse", [aFile("a.json", "{", "application/json")], /does not parse as JSON/],
    ["YAML declared with a parameter", [aFile("a.yaml", "[", "text/yaml; charset=utf-8")], /does not parse as YAML/],
    ["text that is not UTF-8", [aFile("a.yaml", new Uint8Array([0xff, 0xfe]))], /not UTF-8/],
    ["a name twice", [aFile("a.yaml", "a: 1"), aFile("a.yaml", "b: 1")], /there twice/],
    ["an empty name", [aFile("", "a: 1")], /not a file name/],
    ["a path as name", [aFile("../a", "a: 1")], /not a file name/],
    ["too many bytes", [aFile("a.bin", new Uint8Array(1024 * 1024 + 1), "application/octet-stream")], /more than/],
  ];
  for (const [name, files, pattern] of refused) {
    it(`refuses ${name}`, () => {
      assert.match(
        assessFiles(files)
          .map((v) => v.description)
          .join(" "),
        pattern,
      );
    });
  }

  const accepted: readonly (readonly [name: string, file: ConfigFile])[] = [
    ["a mapping", aFile("a.yaml", "receivers: {otlp: {}}")],
    ["environment references of a Collector", aFile("a.yaml", "endpoint: ${env:HOST}:4317")],
    ["an unknown content type, unread", aFile("a.bin", "\xff[", "application/octet-stream")],
    ["JSON", aFile("a.json", `{"a": 1}`, "application/json")],
  ];
  for (const [name, file] of accepted) {
    it(`accepts ${name}`, () => assert.deepEqual(assessFiles([file]), []));
  }

  const empty: readonly (readonly [name: string, file: ConfigFile])[] = [
    ["a body of zero bytes", aFile("a.yaml", "")],
    ["comments alone", aFile("a.yaml", "# nothing\n\n  # at all\n")],
  ];
  for (const [name, file] of empty) {
    it(`accepts ${name} where that is meant`, () => assert.deepEqual(assessFiles([file], true), []));
  }

  it("takes a body of one long mapping in time", { timeout: 10_000 }, () => {
    const body = Array.from({ length: 60_000 }, (_, i) => `k${i}: v`).join("\n");
    assert.deepEqual(assessFiles([aFile("a.yaml", body)]), []);
  });

  it("reports every problem at once, with the path of each", () => {
    const fields = assessFiles([aFile("", "["), aFile("b.yaml", "- x")]).map((v) => v.field);
    assert.deepEqual(fields, ["files[0].name", "files[0].body", "files[1].body"]);
  });

  it("hashes independent of order, and apart for different contents", () => {
    const file = fc.record({ name: fc.string(), contentType: fc.string(), body: fc.uint8Array() });
    const files = fc.uniqueArray(file, { selector: (f) => f.name, maxLength: 5 });
    fc.assert(
      fc.property(files, files, (a, b) => {
        assert.equal(hashFiles(a), hashFiles([...a].reverse()));
        const isSame = JSON.stringify(plain(a)) === JSON.stringify(plain(b));
        assert.equal(hashFiles(a) === hashFiles(b), isSame);
      }),
    );
  });

  it("does not confuse a long name with a short one and a body", () => {
    assert.notEqual(hashFiles([aFile("ab", "c", "t")]), hashFiles([aFile("a", "bc", "t")]));
  });
});

function plain(files: readonly ConfigFile[]): unknown {
  return canonicalFiles(files).map((f) => [f.name, f.contentType, [...f.body]]);
}

function aliasBomb(): string {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 8; i++)
    lines.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(", ")}]`,
    );
  return lines.join("\n");
}
