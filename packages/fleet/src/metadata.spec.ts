import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withMetadata } from "./agent.ts";
import { anAgent } from "./builders.ts";
import { FleetError } from "./error.ts";
import { labelsOf } from "./facts.ts";
import {
  assessMetadata,
  changeMetadata,
  MAX_ANNOTATION_BYTES,
  MAX_LABELS,
  NO_CHANGE,
  NO_METADATA,
  parseChange,
  replaceMetadata,
} from "./metadata.ts";

const said = (labels: Readonly<Record<string, string>>, generation = 1) => ({
  generation,
  labels: Object.entries(labels),
  annotations: [],
});

describe("what operators may say", () => {
  const cases: readonly { name: string; key?: string; value?: string; is: boolean }[] = [
    { name: "a word", is: true },
    { name: "an empty value", value: "", is: true },
    { name: "a key with a domain name", key: "acme.example/team", is: true },
    { name: "a key of 63 characters", key: "k".repeat(63), is: true },
    { name: "a key of 64", key: "k".repeat(64), is: false },
    { name: "no key", key: "", is: false },
    { name: "a key that ends in a dash", key: "team-", is: false },
    { name: "a key with capitals in its domain name", key: "Acme/team", is: false },
    { name: "a key with nothing before its slash", key: "/team", is: false },
    { name: "a key with two slashes", key: "a/b/c", is: false },
    { name: "a value of 63 characters", value: "v".repeat(63), is: true },
    { name: "a value of 64", value: "v".repeat(64), is: false },
    { name: "a value with a space", value: "a b", is: false },
    { name: "a value that begins with a dot", value: ".a", is: false },
    { name: "a key that is a fact", key: "version", is: false },
    { name: "a key that names groups", key: "group", is: false },
    { name: "a key that objects have by themselves", key: "constructor", is: true },
  ];
  for (const { name, key = "team", value = "core", is } of cases) {
    it(`as a label: ${name}, ${is ? "yes" : "no"}`, () => {
      const parse = () => parseChange({ setLabels: { [key]: value } });
      if (is) assert.deepEqual(parse().setLabels, [[key, value]]);
      else assert.throws(parse, (error) => error instanceof FleetError && error.code === "invalid");
    });
  }

  it("is told everything that is wrong at once", () => {
    const parse = () =>
      parseChange({
        setLabels: { "a b": "c d" },
        removeLabels: ["-"],
        setAnnotations: { note: "x".repeat(MAX_ANNOTATION_BYTES + 1) },
        removeAnnotations: ["."],
      });
    assert.throws(parse, (error) => {
      assert.ok(error instanceof FleetError);
      const fields = error.violations.map(({ field }) => field);
      assert.deepEqual(fields, [
        "set_labels",
        'set_labels["a b"]',
        "remove_labels",
        'set_annotations["note"]',
        "remove_annotations",
      ]);
      return true;
    });
  });

  it("is as much as an agent may have, and no more", () => {
    const labels = (count: number) => Array.from({ length: count }, (_, i) => [`k${i}`, ""] as const);
    const annotations = (bytes: number) => [["k", "x".repeat(bytes - 1)]] as const;
    assert.deepEqual(assessMetadata({ labels: labels(MAX_LABELS), annotations: annotations(16_384) }), []);
    const fields = assessMetadata({ labels: labels(MAX_LABELS + 1), annotations: annotations(16_385) }).map(
      ({ field }) => field,
    );
    assert.deepEqual(fields, ["labels", "annotations"]);
  });
});

describe("what operators say of an agent", () => {
  it("is set and removed, counted, and in the order of the keys", () => {
    const change = { ...NO_CHANGE, setLabels: [["b", "2"] as const], removeLabels: ["c"] };
    assert.deepEqual(changeMetadata(said({ a: "1", c: "3" }), change), { ...said({ a: "1", b: "2" }), generation: 2 });
  });

  it("is the very same where nothing changes", () => {
    const before = said({ a: "1" });
    assert.equal(changeMetadata(before, { ...NO_CHANGE, setLabels: [["a", "1"]], removeLabels: ["b"] }), before);
    assert.equal(replaceMetadata(before, { labels: [["a", "1"]] }), before);
    assert.equal(replaceMetadata(NO_METADATA, {}), NO_METADATA);
  });

  it("replaces what was said, and leaves what is not named", () => {
    const before = { generation: 4, labels: [["a", "1"]] as const, annotations: [["note", "x"]] as const };
    assert.deepEqual(replaceMetadata(before, { labels: [] }), { ...before, generation: 5, labels: [] });
  });

  it("hides what the agent reports under the same key, until it is said no more", () => {
    const agent = anAgent({ labels: { env: "dev", region: "eu" } });
    const labelled = withMetadata(agent, said({ env: "prod", canary: "true" }));
    assert.deepEqual(Object.fromEntries(labelsOf(labelled)), { env: "prod", region: "eu", canary: "true" });
    const described = { ...labelled, description: anAgent({ labels: { zone: "a" } }).description };
    assert.deepEqual(Object.fromEntries(labelsOf(described)), { zone: "a", env: "prod", canary: "true" });
    assert.deepEqual(labelsOf(withMetadata(labelled, said({}, 2))), labelsOf(agent));
  });

  it("changes a view only where it says something else", () => {
    const labelled = withMetadata(anAgent(), said({ a: "1" }));
    assert.equal(withMetadata(labelled, said({ a: "1" })), labelled);
    assert.notEqual(withMetadata(labelled, said({ a: "1" }, 2)), labelled);
    const agent = anAgent();
    assert.equal(withMetadata(agent, NO_METADATA), agent);
  });
});
