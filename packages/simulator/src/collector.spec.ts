// What a merged config comes to, and how files are merged.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assessConfig } from "./collector.ts";
import { createCompose, renderEffective, sameConfig } from "./compose.ts";
import { mergeFiles, mergeOrder } from "./merge.ts";

const file = (name: string, text: string) => ({ name, body: Buffer.from(text) });
const SOUND = `
receivers: { otlp: {}, hostmetrics/2: {} }
processors: { batch: {} }
exporters: { debug: {}, otlphttp: {} }
extensions: { health_check: {} }
service:
  extensions: [health_check]
  pipelines: { traces: { receivers: [otlp], processors: [batch], exporters: [debug, otlphttp] } }
`;

describe("assessConfig", () => {
  const cases: readonly { name: string; yaml: string; want: RegExp | "runs" | "exits" }[] = [
    { name: "a sound config", yaml: SOUND, want: "runs" },
    { name: "nothing at all", yaml: "", want: "runs" },
    { name: "an unknown exporter", yaml: "exporters: { kafka: {} }", want: /'exporters' unknown type: "kafka"/ },
    {
      name: "an unknown receiver that is not used",
      yaml: `${SOUND}\nconnectors: { forward: {} }`,
      want: /'connectors'/,
    },
    { name: "an unknown section", yaml: "exporter: {}", want: /invalid keys: exporter/ },
    { name: "a reference to nothing", yaml: SOUND.replace("[otlp]", "[nop]"), want: /receiver "nop" which is not/ },
    {
      name: "an extension that is missing",
      yaml: "service: { extensions: [health_check] }",
      want: /extension "health_/,
    },
    {
      name: "a pipeline without exporters",
      yaml: SOUND.replace("[debug, otlphttp]", "[]"),
      want: /at least one exporter/,
    },
    { name: "an unknown signal", yaml: SOUND.replace("traces:", "spans:"), want: /unknown signal "spans"/ },
    {
      name: "a port that is bound twice",
      yaml: `
receivers: { otlp: { protocols: { grpc: { endpoint: "0.0.0.0:4317" } } } }
extensions: { health_check: { endpoint: "0.0.0.0:4317" } }`,
      want: "exits",
    },
  ];
  for (const c of cases) {
    it(`judges ${c.name}`, () => {
      const merged = mergeFiles(new Map(), [file("a.yaml", c.yaml)]);
      assert.ok(merged.kind === "merged");
      const verdict = assessConfig(merged.document);
      if (c.want instanceof RegExp) assert.match((verdict.kind === "exits" && verdict.invalid) || "", c.want);
      else assert.equal(verdict.kind, c.want);
    });
  }

  it("obeys the attributes that make it misbehave", () => {
    const yaml = "service: { telemetry: { resource: { simulator.start_ms: 7000, simulator.crash_after_ms: 5 } } }";
    const merged = mergeFiles(new Map(), [file("a.yaml", yaml)]);
    assert.ok(merged.kind === "merged");
    assert.deepEqual(assessConfig(merged.document), { kind: "runs", startMs: 7000, crashAfterMs: 5 });
  });
});

describe("mergeFiles", () => {
  it("orders by bytes, the empty name last", () => {
    const names = ["", "b", "Z", "a", "ä", "a.b"].map((name) => file(name, ""));
    assert.deepEqual(
      mergeOrder(names).map(({ name }) => name),
      ["Z", "a", "a.b", "b", "ä", ""],
    );
  });

  it("merges maps, replaces lists and joins service.extensions", () => {
    const base = new Map<unknown, unknown>([["service", new Map([["extensions", ["opamp"]]])]]);
    const one = file("1", "a: { x: 1, l: [1, 2] }\nservice: { extensions: [health_check] }");
    const two = file("2", "a: { y: 2, l: [3] }\nservice: { extensions: [health_check, pprof] }");
    const merged = mergeFiles(base, [two, one]);
    assert.ok(merged.kind === "merged");
    assert.deepEqual(Object.fromEntries(merged.document.get("a") as Map<string, unknown>), { x: 1, l: [3], y: 2 });
    const service = merged.document.get("service");
    assert.ok(service instanceof Map);
    assert.deepEqual(service.get("extensions"), ["opamp", "health_check", "pprof"]);
    assert.deepEqual([...base.keys()], ["service"], "the base stays as it is");
  });

  const invalid = [
    ["a tab as indentation", "a:\n\t- 1", /^yaml: line 2: /],
    ["a key twice", "a: 1\na: 2", /^yaml: line \d: .*unique/],
    ["a scalar", "just text", /cannot unmarshal string into a map/],
    ["a list", "- 1", /cannot unmarshal object into a map/],
    ["an alias bomb", bomb(), /^yaml: .*alias/],
  ] as const;
  for (const [name, yaml, sentence] of invalid) {
    it(`refuses ${name}`, () => {
      const merged = mergeFiles(new Map(), [file("a.yaml", yaml)]);
      assert.match(merged.kind === "invalid" ? merged.sentence : "merged", sentence);
    });
  }

  it("keeps hostile keys as data", () => {
    const merged = mergeFiles(new Map(), [
      file("a", "__proto__: { polluted: 1 }"),
      file("b", "__proto__: { more: 2 }"),
    ]);
    assert.ok(merged.kind === "merged");
    assert.deepEqual([...(merged.document.get("__proto__") as Map<string, number>).keys()], ["polluted", "more"]);
    assert.equal(Reflect.get({}, "polluted"), undefined);
  });
});

describe("createCompose", () => {
  it("gives the whole fleet the same object and each agent its own text", () => {
    const compose = createCompose();
    const one = compose([file("a.yaml", SOUND)], []);
    assert.equal(compose([file("a.yaml", SOUND)], []), one);
    assert.ok(one.kind === "composed");
    const text = renderEffective(one, { uid: "uid-1", endpoint: "ws://a" });
    assert.match(text, /instance_uid: uid-1/);
    assert.deepEqual(one.parts, ["extensions", "pipeline:traces"]);
  });

  it("tells an offer without files from one that was never made, and from a file of zero bytes", () => {
    const compose = createCompose();
    const [never, none, zero] = [compose(undefined, []), compose([], []), compose([file("a", "")], [])];
    assert.ok(never.kind === "composed" && none.kind === "composed" && zero.kind === "composed");
    assert.ok(none.empty && !never.empty && !zero.empty);
    assert.ok(!sameConfig(never, none) && sameConfig(never, zero));
  });

  it("copies bodies: the network buffer may go", () => {
    const compose = createCompose();
    const body = Buffer.from("exporters: { debug: {} }");
    const composed = compose([{ name: "a", body }], []);
    body.fill(0);
    assert.equal(Buffer.from(composed.files[0]?.body ?? []).toString(), "exporters: { debug: {} }");
  });
});

function bomb(): string {
  let yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (let i = 1; i < 9; i++)
    yaml += `a${i}: &a${i} [${Array(9)
      .fill(`*a${i - 1}`)
      .join(", ")}]\n`;
  return yaml;
}
