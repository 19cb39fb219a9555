import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ProtocolError } from "./error.ts";
import { ExportMetricsServiceRequestSchema } from "./gen/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";
import type { MetricSchema } from "./gen/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { MAX_RESOURCES, type ScannedMetrics, type ScannedResource, scanMetrics } from "./otlp-scan.ts";

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

function scanAll(body: Uint8Array, ...wanted: readonly string[]): ScannedMetrics {
  const found = scanMetrics(body, (name) => wanted.includes(name));
  assert.ok(!(found instanceof ProtocolError), String(found));
  return found;
}
const scan = (...args: Parameters<typeof scanAll>): readonly ScannedResource[] => scanAll(...args).resources;

/** A message's field of this number, as it is on the wire. */
function field(number: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.from(new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(content).finish());
}
/** So many messages without anything, two bytes each. */
const empty = (number: number, count: number): Buffer => Buffer.alloc(2 * count, Uint8Array.of((number << 3) | 2, 0));
const name = field(1, Buffer.from("cpu"));
/** A request about one agent with a metric of that wire form, so many times. */
const withMetric = (metric: Uint8Array, count = 1): Buffer => {
  const who = field(1, field(1, field(1, Buffer.from("service.instance.id")), field(2, field(1, Buffer.from(UID)))));
  return field(1, who, field(2, ...Array.from({ length: count }, () => field(2, metric))));
};

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
    const { resources: found, countPoints } = scanAll(body, "cpu", "memory", "latency2");
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
    assert.deepEqual(found.map(countPoints), [6, 1]);
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

  const point = field(1, Buffer.of(0x21, 0, 0, 0, 0, 0, 0, 0, 0));
  const attribute = field(7, field(1, Buffer.from("cpu.mode")), field(2, field(1, Buffer.from("user"))));
  const counter = field(7, ...Array.from({ length: 10 }, () => field(1, attribute)));
  it("decodes what has as many points and attributes as a process", () =>
    assert.equal(scan(withMetric(Buffer.concat([name, counter])), "cpu")[0]?.metrics.length, 1));

  const many: readonly (readonly [what: string, metric: Uint8Array])[] = [
    ["points", field(5, empty(1, 300))],
    ["points in many parts", Buffer.concat(Array.from({ length: 300 }, () => field(7, point)))],
    ["attributes", field(5, field(1, empty(7, 300)))],
    ["examples", field(5, field(1, empty(5, 300)))],
    ["attributes of examples", field(5, field(1, field(5, empty(7, 300))))],
    ["attributes of its own", Buffer.concat([field(5, point), empty(12, 300)])],
    ["values in a list", field(5, field(1, field(7, field(2, field(5, empty(1, 300))))))],
    ["pairs in a list", field(5, field(1, field(7, field(2, field(6, empty(1, 300))))))],
    ["points of a histogram", field(9, empty(1, 300))],
  ];
  for (const [what, metric] of many) {
    it(`does not decode what has a wanted name but more ${what} than a process has`, () => {
      assert.deepEqual(scan(withMetric(Buffer.concat([name, metric])), "cpu")[0]?.metrics, []);
    });
  }

  it("gives up on metrics that cost too much to decode, each small and wanted, before it decoded them all", () => {
    const body = withMetric(Buffer.concat([name, field(5, empty(1, 200))]), 1_000);
    const found = scanMetrics(body, () => true);
    assert.ok(found instanceof ProtocolError);
    assert.equal(found.code, "too_large");
  });

  it("gives up on messages with nothing in them, which cost more to look into than they are long", () => {
    const empties = (count: number) => scanMetrics(field(1, field(2, empty(2, count))), () => false);
    assert.ok(!(empties(400_000) instanceof ProtocolError));
    assert.ok(empties(800_000) instanceof ProtocolError);
  });

  it("gives up on ids that cost too much to read", () => {
    const list = field(2, field(5, empty(1, 100)));
    const id = field(1, field(1, Buffer.from("service.instance.id")), list);
    const few = field(1, field(1, id, id));
    assert.deepEqual(
      scan(few, "cpu").map(({ instanceId }) => instanceId),
      [""],
    );
    const found = scanMetrics(field(1, field(1, Buffer.alloc(400_000 * id.length, id))), () => false);
    assert.ok(found instanceof ProtocolError);
    assert.equal(found.code, "too_large");
  });

  it("counts points with what is left of the request's budget, and tells what it counted", () => {
    const points = field(5, empty(1, 300_000));
    const one = field(1, field(2, field(2, name, points)));
    const body = Buffer.concat(Array.from({ length: 20 }, () => one));
    const { resources, countPoints } = scanAll(body, "memory");
    const counts = resources.map(countPoints);
    assert.deepEqual(counts.slice(0, 6), [300_000, 300_000, 300_000, 300_000, 300_000, 300_000]);
    assert.ok((counts[6] ?? 0) > 100_000 && (counts[6] ?? 0) < 300_000, String(counts[6]));
    assert.deepEqual(
      counts.slice(7),
      Array.from({ length: 13 }, () => 0),
    );
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
    ["a group, in which any number of fields could be", Buffer.of(0x1b, 0x08, 0x00, 0x1c)],
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
