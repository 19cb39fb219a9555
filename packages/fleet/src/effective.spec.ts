import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import type { ConfigFile } from "./config.ts";
import { decodeEffective, encodeEffective, showsConfig } from "./effective.ts";

const file = (text: string, name = "a.yaml"): ConfigFile => ({
  name,
  contentType: "text/yaml",
  body: Buffer.from(text),
});
const shows = (effective: string, ...offered: readonly string[]) =>
  showsConfig(
    [file(effective)],
    offered.map((text) => file(text)),
  );

describe("an effective config", () => {
  const cases: readonly { name: string; effective: string; offered: readonly string[]; is: boolean | null }[] = [
    {
      name: "has what is the same but for order and style",
      effective: "{b: 2, a: [x]}",
      offered: ["a:\n- x\nb: 2"],
      is: true,
    },
    {
      name: "has what stands among defaults",
      effective: "r: {otlp: {port: 1, tls: null}}",
      offered: ["r: {otlp: {port: 1}}"],
      is: true,
    },
    { name: "has a component without settings", effective: "e: {nop: {}}", offered: ["e: {nop: }"], is: true },
    { name: "lacks a component", effective: "e: {nop: {}}", offered: ["e: {nop: , debug: }"], is: false },
    { name: "lacks a value", effective: "a: {b: 1}", offered: ["a: {b: 2}"], is: false },
    { name: "has a list with more in it", effective: "x: [opamp, a, m, b]", offered: ["x: [a, b]"], is: true },
    { name: "lacks a list in another order", effective: "x: [b, a]", offered: ["x: [a, b]"], is: false },
    {
      name: "has what several files make, the later ones winning",
      effective: "a: {b: 2, c: 3}",
      offered: ["a: {b: 1, c: 3}", "a: {b: 2}"],
      is: true,
    },
    {
      name: "has what it redacted",
      effective: "k: '[REDACTED]'\np: '****'",
      offered: ["k: s3cret\np: other"],
      is: true,
    },
    { name: "has what only the agent can resolve", effective: "k: abc", offered: ["k: '${env:KEY}'"], is: true },
    { name: "has an escaped dollar", effective: "k: $a", offered: ["k: $$a"], is: true },
    { name: "lacks another escaped one", effective: "k: b", offered: ["k: '$${a}'"], is: false },
    { name: "has numbers however they are written", effective: "a: 1000\nb: '5'", offered: ["a: 1e3\nb: 5"], is: true },
    {
      name: "has what anchors stand for",
      effective: "a: {x: 1}\nb: {x: 1, y: 2}",
      offered: ["a: &m {x: 1}\nb: {<<: *m, y: 2}"],
      is: true,
    },
    {
      name: "cannot be told from one that is no YAML map",
      effective: "[INPUT]\n  Name cpu",
      offered: ["a: 1"],
      is: null,
    },
    { name: "cannot be told from what is no YAML map", effective: "a: 1", offered: ["- 1"], is: null },
    { name: "cannot be told from nothing", effective: "a: 1", offered: [""], is: null },
  ];
  for (const { name, effective, offered, is } of cases) it(name, () => assert.equal(shows(effective, ...offered), is));

  it("has itself, whatever is added to it", () => {
    const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean());
    const { map } = fc.letrec<{ map: Record<string, unknown>; any: unknown }>((tie) => ({
      map: fc.dictionary(fc.string({ minLength: 1 }), tie("any"), { maxKeys: 4 }),
      any: fc.oneof({ depthSize: "small" }, scalar, tie("map"), fc.array(scalar, { maxLength: 3 })),
    }));
    fc.assert(
      fc.property(map, (content) => {
        const text = stringify(content);
        const more = stringify({ ...content, "added by the agent": { x: 1 } });
        const expected = Object.keys(content).length === 0 ? null : true;
        assert.equal(shows(more, text), expected);
      }),
    );
  });

  it("is read as it was stored", () => {
    const files = [file("a: 1"), { name: "", contentType: "", body: Buffer.from([0, 255]) }];
    assert.deepEqual(decodeEffective(encodeEffective(files)), files);
  });
});
