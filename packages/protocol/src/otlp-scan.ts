// A partial decode of OTLP's ExportMetricsServiceRequest: which agent each resource is, and those few of its metrics that are
// asked for. A Collector sends some fifty metrics of its own at a time, many of them histograms; what nobody asked for is skipped
// by its length and never becomes an object. What is skipped is not validated. Pure; called by the gateway.
//
// Invariants
//   O1. All the work that a request can make is paid from one budget, before it is done: two bytes can be a message.

import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ProtocolError } from "./error.ts";
import { type Metric, MetricSchema } from "./gen/opentelemetry/proto/metrics/v1/metrics_pb.ts";

/** One resource of a request. */
export interface ScannedResource {
  /** Its attribute `service.instance.id`; "" where it has none that is text. */
  readonly instanceId: string;
  /** Those of its metrics that were asked for, in their order. */
  readonly metrics: readonly Metric[];
  /** All of it, as it came: a view into the body. */
  readonly bytes: Uint8Array;
}

/** What was found in a request. */
export interface ScannedMetrics {
  readonly resources: readonly ScannedResource[];
  /** How many data points of all kinds a resource has; fewer once the request's budget is used up (O1). */
  countPoints(resource: ScannedResource): number;
}

/** Resources of one request; a Collector that forwards for others sends some hundred at once. */
export const MAX_RESOURCES = 10_000;
/**
 * Fields that are visited in one request, a tenth of a second's work: what two thousand Collectors send with all their metrics.
 * Who forwards for more sends several requests anyhow: batches are thousands of points, not a hundred thousand metrics.
 */
const MAX_FIELDS = 2_000_000;
/** What it costs, in fields, to look into a message at all. */
const OPENING_COST = 2;
/** What a message costs when it is decoded, in fields that are visited: it becomes an object of some hundred bytes. */
const MESSAGE_COST = 15;
/** A metric of one process has a few points, told apart by a few attributes; what is larger is none, and not decoded. */
const MAX_METRIC_BYTES = 16 * 1024;
const MAX_METRIC_MESSAGES = 256;
/** Of an attribute that can be an instance's id, and of a name that anybody asks for. */
const MAX_ATTRIBUTE_BYTES = 256;
const MAX_NAME_BYTES = 256;
const NOTHING = new Uint8Array();
const INSTANCE_ID = "service.instance.id";

/** Of a Metric: gauge, sum, histogram, exponential histogram, summary. Each has its points in field 1. */
const DATA_FIELDS = [5, 7, 9, 10, 11];

/**
 * The messages that a metric of numbers is made of, and which of their fields are messages in turn. What else a metric may hold
 * says nothing of a process, and makes it one that is not decoded: histograms and summaries, lists as values of attributes.
 */
const SHAPE = {
  metric: { 5: "numbers", 7: "numbers", 9: "other", 10: "other", 11: "other", 12: "attribute" },
  numbers: { 1: "point" },
  point: { 5: "exemplar", 7: "attribute" },
  exemplar: { 7: "attribute" },
  attribute: { 2: "value" },
  value: { 5: "other", 6: "other" },
  other: {},
} as const satisfies Record<string, Readonly<Record<number, string>>>;
type Shape = keyof typeof SHAPE;

/** How many fields may still be visited. */
interface Budget {
  left: number;
}

/**
 * Finds the resources of a request, each with those of its metrics that `isWanted` by their names. Answers `malformed` for bytes
 * that are no such message, `too_large` for more resources or fields than anybody sends.
 */
export function scanMetrics(body: Uint8Array, isWanted: (name: string) => boolean): ScannedMetrics | ProtocolError {
  const resources: ScannedResource[] = [];
  const budget = { left: MAX_FIELDS };
  try {
    eachField(body, budget, (field, bytes) => {
      if (field !== 1) return;
      if (resources.length >= MAX_RESOURCES) throw tooLarge(`${MAX_RESOURCES} resources`);
      resources.push(scanResource(bytes, budget, isWanted));
    });
    return { resources, countPoints: ({ bytes }) => countPoints(bytes, budget) };
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    return new ProtocolError("malformed", "the body is not an ExportMetricsServiceRequest", { cause: error });
  }
}

function countPoints(resource: Uint8Array, budget: Budget): number {
  if (budget.left <= 0) return 0;
  let count = 0;
  try {
    eachMetric(resource, budget, (metric) => {
      eachField(metric, budget, (field, data) => {
        if (!DATA_FIELDS.includes(field)) return;
        eachField(data, budget, (inner) => {
          if (inner === 1) count += 1;
        });
      });
    });
  } catch {
    // What is malformed, or more than anybody sends, has as many as could be read.
  }
  return count;
}

function scanResource(bytes: Uint8Array, budget: Budget, isWanted: (name: string) => boolean): ScannedResource {
  let instanceId = "";
  const metrics: Metric[] = [];
  eachField(bytes, budget, (field, resource) => {
    if (field !== 1) return;
    eachField(resource, budget, (inner, attribute) => {
      if (inner === 1 && nameOf(attribute, budget) === INSTANCE_ID) instanceId = textOf(attribute, budget);
    });
  });
  eachMetric(bytes, budget, (metric) => {
    if (metric.length > MAX_METRIC_BYTES || !isWanted(nameOf(metric, budget))) return;
    const messageCount = countMessages(metric, "metric", budget);
    if (messageCount > MAX_METRIC_MESSAGES) return;
    pay(budget, MESSAGE_COST * messageCount);
    metrics.push(fromBinary(MetricSchema, metric, { readUnknownFields: false }));
  });
  return { instanceId, metrics, bytes };
}

/** How many messages a message is made of, itself included; endless for what is not decoded (SHAPE). */
function countMessages(message: Uint8Array, shape: Shape, budget: Budget): number {
  if (shape === "other") return Number.POSITIVE_INFINITY;
  const inner: Readonly<Record<number, Shape>> = SHAPE[shape];
  let count = 1;
  eachField(message, budget, (field, bytes) => {
    const of = inner[field];
    if (of !== undefined) count += countMessages(bytes, of, budget);
  });
  return count;
}

/** Visits the metrics of a resource: those of each of its scopes. */
function eachMetric(resource: Uint8Array, budget: Budget, visit: (metric: Uint8Array) => void): void {
  eachField(resource, budget, (field, scope) => {
    if (field !== 2) return;
    eachField(scope, budget, (inner, metric) => {
      if (inner === 2) visit(metric);
    });
  });
}

/** A metric's name and an attribute's key are both in field 1; "" where it has none. */
function nameOf(message: Uint8Array, budget: Budget): string {
  const name = fieldOf(message, 1, budget);
  return toText(name.subarray(0, MAX_NAME_BYTES));
}

/** The text that an attribute holds; "" for anything else. Not decoded: a value may be a list of a hundred empty ones. */
function textOf(attribute: Uint8Array, budget: Budget): string {
  if (attribute.length > MAX_ATTRIBUTE_BYTES) return "";
  return toText(fieldOf(fieldOf(attribute, 2, budget), 1, budget));
}

/** The last of a message's fields of that number; empty where it has none. */
function fieldOf(message: Uint8Array, number: number, budget: Budget): Uint8Array {
  let found: Uint8Array = NOTHING;
  eachField(message, budget, (field, bytes) => {
    if (field === number) found = bytes;
  });
  return found;
}

/** What is asked for is ASCII; to read anything else as it is meant would cost far more. */
function toText({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}

/** Visits the fields of a message that may be messages or texts, and skips the others. @throws when it is malformed */
function eachField(message: Uint8Array, budget: Budget, visit: (field: number, bytes: Uint8Array) => void): void {
  pay(budget, OPENING_COST);
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    pay(budget, 1);
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) visit(field, reader.bytes());
    // No version of OTLP has groups, and within one there could be anything.
    else if (type === WireType.StartGroup) throw new Error(`field ${field} is a group`);
    else reader.skip(type, field);
  }
}

function pay(budget: Budget, fields: number): void {
  budget.left -= fields;
  if (budget.left < 0) throw tooLarge(`${MAX_FIELDS} fields`);
}

function tooLarge(limit: string): ProtocolError {
  return new ProtocolError("too_large", `a request may have ${limit}; send smaller batches`);
}
