import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import type { ConfigFile } from "./config.ts";
import { diffConfigs, isDrift, showsConfig } from "./config-diff.ts";
import { mergeFiles } from "./merge.ts";

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

  const endless: readonly (readonly [name: string, text: string])[] = [
    ["a map in itself", "exporters: &e {x: *e}"],
    ["a list in itself", "exporters: {x: &e [*e]}"],
    ["ten thousand levels", `exporters: {x: ${"[".repeat(10_000)}${"]".repeat(10_000)}}`],
  ];
  for (const [name, text] of endless) {
    it(`cannot be told from one with ${name}, alone or in two files`, () => {
      const offered = [file("exporters: {otlp: {}}")];
      assert.equal(showsConfig([file(text)], offered), null);
      assert.equal(showsConfig([file(text, "a"), file(text, "b")], offered), null);
      assert.equal(showsConfig(offered, [file(text)]), null);
    });
  }

  it("is compared in time, however long its maps and lists and however deep they are", { timeout: 10_000 }, () => {
    const map = `exporters: {otlp: {${Array.from({ length: 30_000 }, (_, i) => `k${i}: 1`).join(", ")}}}`;
    assert.equal(shows(map, "exporters: {otlp: {k7: 1}}"), true);
    const items = (count: number, item: string) => `x: [${Array.from({ length: count }, () => item).join(",")}]`;
    assert.equal(shows(items(50_000, "{a: {b: 1}}"), items(1_000, "{a: {b: 2}}")), false);
    const nested = (text: string) => `x: ${"[".repeat(40)}${text}${"]".repeat(40)}`;
    assert.equal(shows(nested("1"), nested("2")), false);
    assert.equal(shows(nested("2"), nested("2")), true);
  });

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
});

describe("differences of configs", () => {
  const differences = (offered: string, effective: string) => {
    const [wanted, shown] = [mergeFiles([file(offered)]), mergeFiles([file(effective)])];
    assert.ok(wanted !== null && shown !== null);
    return diffConfigs(wanted, shown)?.map(({ path, kind, offered, effective }) => [kind, path, offered, effective]);
  };
  const COLLECTOR = `
receivers: {otlp: {protocols: {grpc: {endpoint: "0.0.0.0:4317"}}}}
processors: {batch: , memory_limiter: {limit_mib: 400}}
exporters: {otlp: {endpoint: "\${env:TARGET}", headers: {token: s3cret}}}
extensions: {zpages: }
service:
  extensions: [zpages]
  pipelines: {traces: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp]}}
`;
  /** What a supervisor makes of it: other order, defaults, redactions, its own parts. */
  const SUPERVISED = `
exporters: {otlp: {headers: {token: "[REDACTED]"}, endpoint: collector.example:4317, compression: gzip}}
extensions:
  health_check: {endpoint: "127.0.0.1:24350"}
  opamp: {instance_uid: 01a201d9-68fe-72c7-808e-cd8ab3468b06, ppid: 23059}
  zpages: {}
processors: {batch: {timeout: 200ms}, memory_limiter: {limit_mib: 400, check_interval: 1s}}
receivers:
  otlp: {protocols: {grpc: {endpoint: "0.0.0.0:4317", transport: tcp}}}
  prometheus/own_metrics: {config: {}}
service:
  extensions: [health_check, opamp, zpages]
  pipelines:
    metrics/own_metrics: {receivers: [prometheus/own_metrics], exporters: [otlp]}
    traces: {exporters: [otlp], receivers: [otlp], processors: [memory_limiter, batch]}
  telemetry: {logs: {encoding: json}, metrics: {readers: []}}
`;

  it("are none where a supervisor did its part", () => assert.deepEqual(differences(COLLECTOR, SUPERVISED), []));

  const edited = (from: string, to: string) => {
    assert.ok(SUPERVISED.includes(from), from);
    return differences(COLLECTOR, SUPERVISED.replace(from, to));
  };
  const cases: readonly { name: string; from: string; to: string; is: readonly (readonly string[])[] }[] = [
    {
      name: "a value",
      from: "limit_mib: 400",
      to: "limit_mib: 200",
      is: [["different", "processors.memory_limiter.limit_mib", "400", "200"]],
    },
    {
      name: "a setting that is gone",
      from: "limit_mib: 400, ",
      to: "",
      is: [["missing", "processors.memory_limiter.limit_mib", "400", ""]],
    },
    {
      name: "a processor that a pipeline leaves out",
      from: "[memory_limiter, batch]",
      to: "[batch]",
      is: [["missing", "service.pipelines.traces.processors[0]", "memory_limiter", ""]],
    },
    {
      name: "processors in another order",
      from: "[memory_limiter, batch]",
      to: "[batch, memory_limiter]",
      is: [
        [
          "different",
          "service.pipelines.traces.processors",
          '["memory_limiter","batch"]',
          '["batch","memory_limiter"]',
        ],
      ],
    },
    {
      name: "a component and a part of a pipeline that nobody offered, which are no drift",
      from: "processors: [memory_limiter, batch]}",
      to: "processors: [memory_limiter, attributes, batch]}\nconnectors: {spanmetrics: {}}",
      is: [
        ["extra", "connectors.spanmetrics", "", "{}"],
        ["extra", "service.pipelines.traces.processors[1]", "", "attributes"],
      ],
    },
    {
      name: "a pipeline that nobody offered",
      from: "    traces:",
      to: "    logs: {receivers: [otlp]}\n    traces:",
      is: [["extra", "service.pipelines.logs", "", '{"receivers":["otlp"]}']],
    },
  ];
  for (const { name, from, to, is } of cases) {
    it(`tell ${name}`, () => assert.deepEqual(edited(from, to), is));
  }

  it("are drift unless they are only extra", () => {
    const extra = { path: "a", kind: "extra", offered: "", effective: "1" } as const;
    assert.deepEqual(
      [isDrift([]), isDrift([extra]), isDrift([extra, { ...extra, kind: "missing" }])],
      [false, false, true],
    );
  });

  it("do not come from the order of extensions, receivers and exporters", () => {
    const offered = "service: {extensions: [a, b], pipelines: {logs: {receivers: [a, b], exporters: [c, d]}}}";
    const shown = "service: {extensions: [b, a], pipelines: {logs: {receivers: [b, a], exporters: [d, c]}}}";
    assert.deepEqual(differences(offered, shown), []);
  });

  it("are told within lists, and shortly", () => {
    assert.deepEqual(
      differences("ops: [{type: add, to: x}, {type: drop}]", "ops: [{type: add, to: y}, {type: drop}]"),
      [["different", "ops[0].to", "x", "y"]],
    );
    const [[, , offered = ""] = []] = differences(`a: ${"x".repeat(500)}`, "a: y") ?? [];
    assert.equal(offered.length, 200);
  });

  it("are none with itself, whatever keys it has", () => {
    for (const key of ["__proto__", "constructor", "toString"]) {
      assert.deepEqual(differences(`{"${key}": {x: 1}}`, `{"${key}": {x: 1}}`), [], key);
      assert.deepEqual(differences(`{a: {"${key}": {x: 1}}}`, "{a: {}}")?.[0]?.slice(0, 2), ["missing", `a.${key}`]);
    }
  });
});
