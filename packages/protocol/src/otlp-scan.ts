// A partial decode of OTLP's ExportMetricsServiceRequest: which agent each resource is, and those few of its metrics that are
// asked for. A Collector sends some fifty metrics of its own at a time, many of them histograms; what nobody asked for is skipped
// by its length and never becomes an object. What is skipped is not validated. Pure; called by the gateway.

import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ProtocolError } from "./error.ts";
import { KeyValueSchema } from "./gen/opentelemetry/proto/common/v1/common_pb.ts";
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

/** Resources of one request; a Collector that forwards for others sends some hundred at once. */
export const MAX_RESOURCES = 10_000;
/** Fields that are visited in one request, a tenth of a second's work: no honest request of the largest size has as many. */
const MAX_FIELDS = 2_000_000;
/** A metric of one process has a few points of some dozen bytes; what is larger is none, and not decoded. */
const MAX_METRIC_BYTES = 16 * 1024;
/** Of an attribute that can be an instance's id, and of a name that anybody asks for. */
const MAX_ATTRIBUTE_BYTES = 256;
const MAX_NAME_BYTES = 256;
const INSTANCE_ID = "service.instance.id";

/** Of a Metric: gauge, sum, histogram, exponential histogram, summary. Each has its points in field 1. */
const DATA_FIELDS = [5, 7, 9, 10, 11];

/** How many fields may still be visited. */
interface Budget {
  left: number;
}

/**
 * Finds the resources of a request, each with those of its metrics that `isWanted` by their names. Answers `malformed` for bytes
 * that are no such message, `too_large` for more resources or fields than anybody sends.
 */
export function scanMetrics(
  body: Uint8Array,
  isWanted: (name: string) => boolean,
): readonly ScannedResource[] | ProtocolError {
  const resources: ScannedResource[] = [];
  const budget = { left: MAX_FIELDS };
  try {
    eachField(body, budget, (field, bytes) => {
      if (field !== 1) return;
      if (resources.length >= MAX_RESOURCES) throw tooLarge(`${MAX_RESOURCES} resources`);
      resources.push(scanResource(bytes, budget, isWanted));
    });
    return resources;
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    return new ProtocolError("malformed", "the body is not an ExportMetricsServiceRequest", { cause: error });
  }
}

/** How many data points of all kinds a scanned resource has. */
export function countDataPoints({ bytes }: Pick<ScannedResource, "bytes">): number {
  const budget = { left: MAX_FIELDS };
  let count = 0;
  try {
    eachMetric(bytes, budget, (metric) => {
      eachField(metric, budget, (field, data) => {
        if (!DATA_FIELDS.includes(field)) return;
        eachField(data, budget, (inner) => {
          if (inner === 1) count += 1;
        });
      });
    });
  } catch {
    // What is malformed has as many as could be read.
  }
  return count;
}

function scanResource(bytes: Uint8Array, budget: Budget, isWanted: (name: string) => boolean): ScannedResource {
  let instanceId = "";
  const metrics: Metric[] = [];
  eachField(bytes, budget, (field, resource) => {
    if (field !== 1) return;
    eachField(resource, budget, (inner, attribute) => {
      if (inner === 1 && nameOf(attribute, budget) === INSTANCE_ID) instanceId = textOf(attribute);
    });
  });
  eachMetric(bytes, budget, (metric) => {
    if (!isWanted(nameOf(metric, budget)) || metric.length > MAX_METRIC_BYTES) return;
    metrics.push(fromBinary(MetricSchema, metric, { readUnknownFields: false }));
  });
  return { instanceId, metrics, bytes };
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
  let name = "";
  eachField(message, budget, (field, text) => {
    if (field !== 1) return;
    name = Buffer.from(text.buffer, text.byteOffset, Math.min(text.length, MAX_NAME_BYTES)).toString();
  });
  return name;
}

/** The text that an attribute holds; "" for anything else. */
function textOf(attribute: Uint8Array): string {
  if (attribute.length > MAX_ATTRIBUTE_BYTES) return "";
  const { value } = fromBinary(KeyValueSchema, attribute, { readUnknownFields: false });
  return value?.value.case === "stringValue" ? value.value.value : "";
}

/** Visits the fields of a message that may be messages or texts, and skips the others. @throws when it is malformed */
function eachField(message: Uint8Array, budget: Budget, visit: (field: number, bytes: Uint8Array) => void): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    budget.left -= 1;
    if (budget.left < 0) throw tooLarge(`${MAX_FIELDS} fields`);
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) visit(field, reader.bytes());
    else reader.skip(type, field);
  }
}

function tooLarge(limit: string): ProtocolError {
  return new ProtocolError("too_large", `a request may have ${limit}; send smaller batches`);
}
