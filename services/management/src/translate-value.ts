// Attributes in the API's words: JSON-safe values → google.protobuf.Value. Pure.

import { create } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { AttributeValue } from "@muster/fleet";

/** Readers of protobuf stop at 100 messages within messages: what is deeper than this is told as JSON text. */
export const MAX_VALUE_LEVELS = 16;

/** Attributes by key. Keys come from outside and may be `__proto__`, which fromEntries takes as any other. */
export function toAttributes(attributes: Iterable<readonly [string, AttributeValue]>): { [key: string]: Value } {
  return Object.fromEntries(Array.from(attributes, ([key, value]) => [key, toValue(value, MAX_VALUE_LEVELS)]));
}

function toValue(value: AttributeValue, levels: number): Value {
  if (value === null) return create(ValueSchema, { kind: { case: "nullValue", value: 0 } });
  switch (typeof value) {
    case "string":
      return create(ValueSchema, { kind: { case: "stringValue", value } });
    case "number":
      return create(ValueSchema, { kind: { case: "numberValue", value } });
    case "boolean":
      return create(ValueSchema, { kind: { case: "boolValue", value } });
    default:
      return levels > 1 ? toStructure(value, levels - 1) : toValue(JSON.stringify(value), 1);
  }
}

function toStructure(value: Exclude<AttributeValue, string | number | boolean | null>, levels: number): Value {
  if (Array.isArray(value)) {
    const values = value.map((part) => toValue(part, levels));
    return create(ValueSchema, { kind: { case: "listValue", value: { values } } });
  }
  const fields = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toValue(part, levels)]));
  return create(ValueSchema, { kind: { case: "structValue", value: { fields } } });
}
