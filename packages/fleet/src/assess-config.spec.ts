import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assessConfig } from "./assess-config.ts";
import type { ConfigFile } from "./config.ts";

function aFile(body: string, name = "a.yaml", contentType = "text/yaml"): ConfigFile {
  return { name, contentType, body: Buffer.from(body) };
}

const GOOD = [
  "receivers: {otlp: {}, nop: }",
  "processors: {batch: {}}",
  "exporters: {debug: {}}",
  "connectors: {count: {}}",
  "extensions: {zpages: {}}",
  "service:",
  "  extensions: [zpages]",
  "  pipelines:",
  "    traces: {receivers: [otlp], processors: [batch], exporters: [count, debug]}",
  "    metrics/2: {receivers: [count, nop], exporters: [debug]}",
].join("\n");

/** What is found, as `severity file:line:column message`. */
function found(files: readonly ConfigFile[], isFragment = false, allowEmpty = false): readonly string[] {
  return assessConfig(files, { isFragment, allowEmpty }).map(
    ({ severity, file, line, column, message }) => `${severity} ${file}:${line}:${column} ${message}`,
  );
}

describe("a config", () => {
  const cases: readonly (readonly [name: string, body: string, expected: readonly RegExp[]])[] = [
    ["that is all there", GOOD, []],
    ["of another agent", "receivers_of_mail: [me]\nservice: mail", []],
    ["of a small test", "a: 1", []],
    [
      "that names a receiver it does not define",
      GOOD.replace("[otlp]", "[otlp, jaeger]"),
      [/^error a.yaml:9:32 pipeline "traces" names the receiver "jaeger".*under receivers or connectors\.$/],
    ],
    [
      "that names a processor it does not define",
      GOOD.replace("[batch]", "[batch, x]"),
      [/^error a.yaml:9:.*processor "x"/],
    ],
    [
      "that names an exporter it does not define",
      GOOD.replace("[debug]", "[otlp]"),
      [/^error a.yaml:10:.*exporter "otlp"/],
    ],
    [
      "that names an extension it does not define",
      GOOD.replace("[zpages]", "[x]"),
      [/^warning a.yaml:5:.*extension "zpages" is defined/, /^error a.yaml:7:16 service.extensions names "x"/],
    ],
    [
      "with a pipeline without receivers",
      GOOD.replace("receivers: [otlp], ", ""),
      [/^warning a.yaml:1:13 receiver "otlp" is defined/, /^error a.yaml:9:5 pipeline "traces" has no receivers/],
    ],
    [
      "with a pipeline without exporters",
      GOOD.replace("[count, nop], exporters: [debug]", "[count]"),
      [/^warning a.yaml:1:.*"nop"/, /^error a.yaml:10:5 pipeline "metrics\/2" has no exporters/],
    ],
    [
      "with a connector that ends a pipeline and begins none",
      GOOD.replace("[count, nop]", "[nop]"),
      [/^error a.yaml:4:14 connector "count" ends a pipeline and begins none/],
    ],
    [
      "with a connector that begins a pipeline and ends none",
      GOOD.replace("[count, debug]", "[debug]"),
      [/^error a.yaml:4:14 connector "count" begins a pipeline/],
    ],
    [
      "with a connector that is an exporter, too",
      GOOD.replace("debug: {}", "debug: {}, count: {}"),
      [/^error a.yaml:4:14 "count" is defined under connectors and under exporters/],
    ],
    ["with a processor twice", GOOD.replace("[batch]", "[batch, batch]"), [/^error a.yaml:9:.*"batch" twice/]],
    [
      "with parts that nothing names",
      GOOD.replace("batch: {}", "batch: {}, x: {}"),
      [/^warning a.yaml:2:.*processor "x"/],
    ],
    ["with a pipeline of no signal", GOOD.replace("metrics/2", "metric"), [/^warning a.yaml:10:5 .*no known signal/]],
    [
      "with a section that no Collector knows",
      `${GOOD}\nrecievers: {}`,
      [/^warning a.yaml:11:1 "recievers" is no section/],
    ],
    ["without pipelines", "receivers: {otlp: {}}", [/^warning a.yaml:0:0 has no service.pipelines/]],
    [
      "with parts that only the Collector can tell",
      [
        "receivers: ${file:receivers.yaml}",
        "exporters: {debug: {}}",
        "service: {pipelines: {traces: {receivers: [otlp], processors: '${env:P}', exporters: ['${env:E}']}, logs: '${file:l}'}}",
      ].join("\n"),
      [],
    ],
    [
      "with anchors and merges",
      [
        "receivers: {otlp: {}}",
        "exporters: {debug: &d {}}",
        "service:",
        "  pipelines:",
        "    traces: &t {receivers: [otlp], exporters: [debug]}",
        "    logs: {<<: *t, exporters: [otlp]}",
        "    metrics: *t",
      ].join("\n"),
      [/^error a.yaml:6:32 pipeline "logs" names the exporter "otlp"/],
    ],
    ["that merges itself without end", "receivers: &r {otlp: {}, <<: *r}", [/has no service.pipelines/]],
    ["that does not parse", "a: 1\nb: [", [/^error a.yaml:2:5 does not parse as YAML/]],
    ["with a key twice", "a: 1\nb: {c: 1, c: 2}", [/^error a.yaml:2:11 .*key "c" is there twice/]],
    ["that is empty by accident", "", [/^error a.yaml:0:0 holds nothing/]],
  ];
  for (const [name, body, expected] of cases) {
    it(name, () => {
      const all = found([aFile(body)]);
      assert.equal(all.length, expected.length, all.join("\n"));
      for (const [i, pattern] of expected.entries()) assert.match(all[i] ?? "", pattern);
    });
  }

  it("that is a fragment may name what others define, and is only warned", () => {
    const fragment = "exporters: {debug: {}}\nservice: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}";
    const pattern = /names the receiver "otlp"/;
    const [asWhole, asFragment] = [found([aFile(fragment)]), found([aFile(fragment)], true)];
    assert.match(asWhole.join(), new RegExp(`^error .*${pattern.source}`));
    assert.match(asFragment.join(), new RegExp(`^warning .*${pattern.source}`));
    assert.deepEqual(found([aFile("receivers: {otlp: {}}")], true), []);
  });

  it("of several files is judged as what they merge to", () => {
    const [parts, pipelines] = [GOOD.split("service:")[0] ?? "", `service:${GOOD.split("service:")[1]}`];
    assert.deepEqual(found([aFile(pipelines, "z.yaml"), aFile(parts, "a.yaml")]), []);
    const json = aFile(`{"service": {"pipelines": {"traces": {"receivers": ["x"]}}}}`, "z.json", "application/json");
    const all = found([aFile(GOOD, "a.yaml"), json]);
    assert.match(all.join("\n"), /^warning a.yaml:1:.*"otlp".*\nerror z.json:1:53 .*receiver "x"/s);
  });

  it("with a body that nobody reads is not judged by it", () => {
    assert.deepEqual(found([aFile("receivers: {", "a.conf", "text/plain"), aFile("b: 1", "b.yaml")]), []);
  });

  it("may be empty where that is meant", () => assert.deepEqual(found([aFile("# gone")], false, true), []));
});
