import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ProtocolError } from "./error.ts";
import { ExportMetricsServiceRequestSchema } from "./gen/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";
import type { MetricSchema } from "./gen/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { countDataPoints, MAX_RESOURCES, type ScannedResource, scanMetrics } from "./otlp-scan.ts";

const UID = "01890a5d-ac96-774b-bcce-b302099a8057";
type MetricInit = MessageInitShape<typeof MetricSchema>;

const gauge = (name: string, ...values: readonly number[]): MetricInit => ({
  name,
  data: {
    case: "gauge",
    value: { dataPoints: values.map((asDouble) => ({ value: { case: "asDouble", value: asDouble } })) },
  },
});
const histogram = (name: string, count: number): MetricInit => ({
  name,
  data: { case: "histogram", value: { dataPoints: Array.from({ length: count }, () => ({ bucketCounts: [1n, 2n] })) } },
});
const named = (value: string) => ({
  attributes: [
    { key: "service.name", value: { value: { case: "stringValue" as const, value: "otelcol" } } },
    { key: "service.instance.id", value: { value: { case: "stringValue" as const, value } } },
  ],
});
const bytesOf = (request: MessageInitShape<typeof ExportMetricsServiceRequestSchema>): Uint8Array =>
  toBinary(ExportMetricsServiceRequestSchema, create(ExportMetricsServiceRequestSchema, request));

function scan(body: Uint8Array, ...wanted: readonly string[]): readonly ScannedResource[] {
  const found = scanMetrics(body, (name) => wanted.includes(name));
  assert.ok(!(found instanceof ProtocolError), String(found));
  return found;
}

describe("scanMetrics", () => {
  it("finds the metrics that are asked for in all scopes of a resource, and whose they are", () => {
    const body = bytesOf({
      resourceMetrics: [
        {
          resource: named(UID),
          scopeMetrics: [
            { scope: { name: "a" }, metrics: [gauge("cpu", 0.5), histogram("latency", 3)] },
            { scope: { name: "b" }, metrics: [gauge("memory", 7), gauge("queue", 1)] },
          ],
        },
        { resource: named("other"), scopeMetrics: [{ metrics: [gauge("queue", 1)] }] },
      ],
    });
    const found = scan(body, "cpu", "memory", "latency2");
    assert.deepEqual(
      found.map(({ instanceId, metrics }) => [instanceId, metrics.map(({ name }) => name)]),
      [
        [UID, ["cpu", "memory"]],
        ["other", []],
      ],
    );
    const [cpu] = found[0]?.metrics ?? [];
    assert.deepEqual(cpu?.data.case === "gauge" && cpu.data.value.dataPoints[0]?.value, {
      case: "asDouble",
      value: 0.5,
    });
    assert.deepEqual(found.map(countDataPoints), [6, 1]);
  });

  it("knows nobody where the instance's id is missing, no text or endless", () => {
    const intId = { key: "service.instance.id", value: { value: { case: "intValue" as const, value: 5n } } };
    const resources = [undefined, { attributes: [] }, { attributes: [intId] }, named("x".repeat(500))];
    const body = bytesOf({
      resourceMetrics: resources.map((resource) => (resource === undefined ? {} : { resource })),
    });
    assert.deepEqual(
      scan(body, "cpu").map(({ instanceId }) => instanceId),
      ["", "", "", ""],
    );
  });

  it("does not decode what has a wanted name but is far too large to be of one process", () => {
    const body = bytesOf({
      resourceMetrics: [{ resource: named(UID), scopeMetrics: [{ metrics: [histogram("cpu", 2_000)] }] }],
    });
    assert.deepEqual(scan(body, "cpu")[0]?.metrics, []);
  });

  it("takes an empty request for one without resources", () => assert.deepEqual(scan(new Uint8Array(), "cpu"), []));

  const whole = bytesOf({
    resourceMetrics: [{ resource: named(UID), scopeMetrics: [{ metrics: [gauge("cpu", 0.5)] }] }],
  });
  const malformed: readonly (readonly [what: string, body: Uint8Array])[] = [
    ["text", Buffer.from("{}")],
    ["a request that is cut short", whole.subarray(0, -1)],
    ["a resource that is longer than the request", Uint8Array.of(0x0a, 0x7f, 0x0a, 0x00)],
    ["a wanted metric that is garbage within", Uint8Array.of(0x0a, 10, 0x12, 8, 0x12, 6, 0x0a, 1, 99, 0x2a, 1, 0x0f)],
    ["groups without end", new Uint8Array(1_000).fill(0x0b)],
  ];
  for (const [what, body] of malformed) {
    it(`refuses ${what}`, () => {
      const found = scanMetrics(body, (name) => name === "c");
      assert.ok(found instanceof ProtocolError);
      assert.equal(found.code, "malformed");
    });
  }

  it("takes as many resources as may be, and no more", () => {
    const many = (count: number) => bytesOf({ resourceMetrics: Array.from({ length: count }, () => ({})) });
    assert.equal(scan(many(MAX_RESOURCES)).length, MAX_RESOURCES);
    const found = scanMetrics(many(MAX_RESOURCES + 1), () => false);
    assert.ok(found instanceof ProtocolError);
    assert.equal(found.code, "too_large");
  });

  it("gives up on millions of empty metrics rather than to look at each", () => {
    const scope = Buffer.alloc(5_000_000); // 0x12 0x00: an empty metric
    for (let i = 0; i < scope.length; i += 2) scope[i] = 0x12;
    const length = [0xc0, 0x96, 0xb1, 0x02]; // 5,000,000
    const inner = Buffer.concat([Buffer.from([0x12, ...length]), scope]);
    const body = Buffer.concat([Buffer.from([0x0a, 0xc5, 0x96, 0xb1, 0x02]), inner]);
    const found = scanMetrics(body, () => false);
    assert.ok(found instanceof ProtocolError);
    assert.equal(found.code, "too_large");
  });
});
