import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import type { ConfigFile } from "./config.ts";
import { assessReferences, fillFiles, type Reference, referencesIn } from "./template.ts";

function aFile(body: string, contentType = "text/yaml"): ConfigFile {
  return { name: "a.yaml", contentType, body: Buffer.from(body) };
}

/** What a body comes to where `host` is known, and nothing else. */
function filled(body: string, host = "web-1", contentType = "text/yaml"): string {
  const resolve = ({ kind, name }: Reference) => (kind === "agent" && name === "host" ? host : undefined);
  return String(Buffer.from(fillFiles([aFile(body, contentType)], resolve)[0]?.body ?? []));
}

describe("a body with references", () => {
  const cases: readonly (readonly [name: string, body: string, expected: string])[] = [
    ["has their values in a scalar", "a: ${agent:host}", 'a: "web-1"'],
    ["has them within a text", "a: http://${agent:host}:80/x # why\nb: 1", 'a: "http://web-1:80/x" # why\nb: 1'],
    ["has them in quoted texts", "a: 'x ${agent:host}'\nb: \"\\t${agent:host}\"", 'a: "x web-1"\nb: "\\tweb-1"'],
    [
      "has them in lists and flow maps",
      "a: ['${agent:host}', b]\nc: {d: '${agent:host}'}",
      'a: ["web-1", b]\nc: {d: "web-1"}',
    ],
    ["has them in texts of several lines", "a: |\n  x\n  ${agent:host}\nb: 1\n", 'a: "x\\nweb-1\\n"\nb: 1\n'],
    ["has them in the last text of several lines", "a: >-\n  x\n  ${agent:host}\n", 'a: "x web-1"\n'],
    ["keeps anchors", "a: &x ${agent:host}\nb: *x", 'a: &x "web-1"\nb: *x'],
    ["falls back where there is no value", "a: ${agent:zone:-none}-${agent:host:-none}", 'a: "none-web-1"'],
    ["falls back to nothing at all", "a: ${agent:zone:-}", 'a: ""'],
    ["keeps what has no value and no fallback", "a: ${agent:zone}  # x", "a: ${agent:zone}  # x"],
    [
      "keeps what is not ours",
      "a: ${env:HOST} ${HOST} $${env:X} ${file:${agent}}",
      "a: ${env:HOST} ${HOST} $${env:X} ${file:${agent}}",
    ],
    ["keeps what a comment says", "# ${agent:host}\na: 1", "# ${agent:host}\na: 1"],
    ["takes two dollars for one that is meant", "receivers:\n  a: $${agent:host}", "receivers:\n  a: $${agent:host}"],
    ["takes three for one and a reference", "receivers:\n  a: $$${agent:host}", 'receivers:\n  a: "$$web-1"'],
    ["unfolds two dollars where no Collector does", "a: $${agent:host} $$x", 'a: "${agent:host} $$x"'],
  ];
  for (const [name, body, expected] of cases) it(name, () => assert.equal(filled(body), expected));

  it("is JSON still when it is JSON", () => {
    const body = filled(`{"a": ["\${agent:host}"], "b": 1}`, 'x"\n\u2028', "application/json");
    assert.deepEqual(JSON.parse(body), { a: ['x"\n\u2028'], b: 1 });
  });

  it("is left alone where nobody parses it", () => {
    assert.equal(filled("a: ${agent:host}", "x", "text/plain"), "a: ${agent:host}");
  });

  it("cannot be made to refer to anything by a value", () => {
    assert.equal(filled("receivers:\n  a: ${agent:host}", "${env:SECRET} $x"), 'receivers:\n  a: "$${env:SECRET} $$x"');
    assert.equal(filled("a: ${agent:host}", "${agent:host}"), 'a: "${agent:host}"', "no Collector reads this");
  });

  it("comes back as it is when it has none", () => {
    const files = [aFile("a: 1")];
    assert.equal(
      fillFiles(files, () => "x"),
      files,
    );
  });

  it("keeps its structure, and holds the value as one text, whatever the value is", () => {
    const body = [
      "top: ${agent:host} # comment",
      "map: {a: '<${agent:host}>', b: 2}",
      'list: [1, "${agent:host}"]',
      "block: |",
      "  ${agent:host}",
      "end: ${agent:host}",
    ].join("\n");
    const nasty = fc.constantFrom(
      ": {",
      "\n- a",
      "#",
      "'",
      '"',
      "\\",
      "null",
      "1",
      "~",
      "&a",
      "*a",
      "!!int",
      "\u0085",
      "\ufeff",
    );
    const value = fc.oneof(
      fc.string(),
      fc.string({ unit: "grapheme" }),
      fc.array(nasty).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(value, (host) => {
        assert.deepEqual(parse(filled(body, host)), {
          top: host,
          map: { a: `<${host}>`, b: 2 },
          list: [1, host],
          block: `${host}\n`,
          end: host,
        });
        assert.match(filled(body, host), /^top: ".*" # comment\n/);
      }),
      { numRuns: 500 },
    );
  });
});

describe("references", () => {
  it("are found with their fallbacks, once each", () => {
    const body = "a: ${agent:x} ${agent:x}\nb: ${agent:x:-1:-2} $${agent:no}\nc: ${secret:s}";
    assert.deepEqual(referencesIn([aFile(body)]), [
      { kind: "agent", name: "x", fallback: null },
      { kind: "agent", name: "x", fallback: "1:-2" },
      { kind: "secret", name: "s", fallback: null },
    ]);
  });

  const wrong: readonly (readonly [name: string, body: string, pattern: RegExp | null])[] = [
    ["in a key", "${agent:x}: 1", /a\.yaml:1:1 a key cannot/],
    ["without a name", "b: 1\na: x${agent:}", /a\.yaml:2:4 "\$\{agent:\}" names nothing/],
    ["with a name of other characters", "a: ${agent:x y}", /names nothing/],
    ["within a reference", "a: ${agent:x:-${env:Y}}", /in its fallback/],
    ["to a secret with a fallback", "a: ${secret:x:-y}", /which secrets have not/],
    ["that are not closed", "a: ${agent:x", /not closed/],
    ["with a tag", "a: !!int ${agent:x}", /take the tag .* away/],
    ["that are fine", "a: ${agent:host.name} ${agent:k8s.io/x-y:-z} ${secret:s}", null],
    ["that are none", "a: $${agent:} $${agent:\n# ${agent:}", null],
  ];
  for (const [name, body, pattern] of wrong) {
    it(name, () => {
      const found = assessReferences([aFile(body)]).map(
        (each) => `${each.file}:${each.line}:${each.column} ${each.message}`,
      );
      if (pattern === null) assert.deepEqual(found, []);
      else assert.match(found.join(), pattern);
    });
  }
});
