// Attributes in the API's words: JSON-safe values → google.protobuf.Value. Pure.

import { create } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { AttributeValue } from "@muster/fleet";

/** Attributes by key. Keys come from outside and may be `__proto__`, which fromEntries takes as any other. */
export function toAttributes(attributes: Iterable<readonly [string, AttributeValue]>): { [key: string]: Value } {
  return Object.fromEntries(Array.from(attributes, ([key, value]) => [key, toValue(value)]));
}

function toValue(value: AttributeValue): Value {
  if (value === null) return create(ValueSchema, { kind: { case: "nullValue", value: 0 } });
  switch (typeof value) {
    case "string":
      return create(ValueSchema, { kind: { case: "stringValue", value } });
    case "number":
      return create(ValueSchema, { kind: { case: "numberValue", value } });
    case "boolean":
      return create(ValueSchema, { kind: { case: "boolValue", value } });
    default:
      return toStructure(value);
  }
}

function toStructure(value: Exclude<AttributeValue, string | number | boolean | null>): Value {
  if (Array.isArray(value)) {
    return create(ValueSchema, { kind: { case: "listValue", value: { values: value.map(toValue) } } });
  }
  const fields = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toValue(part)]));
  return create(ValueSchema, { kind: { case: "structValue", value: { fields } } });
}
