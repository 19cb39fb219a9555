// Attributes: Protobuf KeyValue lists to JSON-safe values and back.
//
// Keys come from agents and may be hostile (`__proto__`, `constructor`), so they only ever become keys of a Map
// or of an object without prototype. Values survive JSON.stringify unchanged.

import { create } from "@bufbuild/protobuf";
import type { AnyValue, KeyValue } from "./gen/opamp/v1/anyvalue_pb.ts";
import { AnyValueSchema, KeyValueSchema } from "./gen/opamp/v1/anyvalue_pb.ts";

/** A JSON-safe attribute value. Nested lists of named values are objects without prototype. */
export type AttributeValue =
  | string
  | number
  | boolean
  | null
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

/** Attributes by name. */
export type Attributes = ReadonlyMap<string, AttributeValue>;

/**
 * Reads attributes; of equal keys the last one counts.
 *
 * Integers beyond ±(2^53 - 1) become decimal strings, bytes become base64, NaN and the infinities become
 * `"NaN"`, `"Infinity"` and `"-Infinity"`, a value without member becomes null.
 */
export function decodeAttributes(pairs: readonly KeyValue[]): Attributes {
  const attributes = new Map<string, AttributeValue>();
  for (const pair of pairs) attributes.set(pair.key, decodeValue(pair.value));
  return attributes;
}

/**
 * Writes attributes in the given order. Whole numbers become integers, other numbers doubles.
 * `decodeAttributes(encodeAttributes(x))` equals x, except that -0 becomes 0 and non-finite numbers become text.
 */
export function encodeAttributes(attributes: Iterable<readonly [string, AttributeValue]>): KeyValue[] {
  return Array.from(attributes, ([key, value]) => create(KeyValueSchema, { key, value: encodeValue(value) }));
}

function decodeValue(any: AnyValue | undefined): AttributeValue {
  const member = any?.value;
  switch (member?.case) {
    case undefined:
      return null;
    case "stringValue":
    case "boolValue":
      return member.value;
    case "intValue":
      return decodeInt(member.value);
    case "doubleValue":
      return Number.isFinite(member.value) ? member.value : String(member.value);
    case "arrayValue":
      return member.value.values.map(decodeValue);
    case "kvlistValue":
      return decodeList(member.value.values);
    case "bytesValue":
      return Buffer.from(member.value.buffer, member.value.byteOffset, member.value.byteLength).toString("base64");
  }
}

function decodeInt(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

function decodeList(pairs: readonly KeyValue[]): { readonly [key: string]: AttributeValue } {
  // Without prototype, assigning `__proto__` makes an ordinary property.
  const record: { [key: string]: AttributeValue } = Object.create(null);
  for (const pair of pairs) record[pair.key] = decodeValue(pair.value);
  return record;
}

function encodeValue(value: AttributeValue): AnyValue {
  if (value === null) return create(AnyValueSchema);
  switch (typeof value) {
    case "string":
      return create(AnyValueSchema, { value: { case: "stringValue", value } });
    case "boolean":
      return create(AnyValueSchema, { value: { case: "boolValue", value } });
    case "number":
      return create(AnyValueSchema, {
        value: Number.isSafeInteger(value)
          ? { case: "intValue", value: BigInt(value) }
          : { case: "doubleValue", value },
      });
    case "object":
      return isList(value)
        ? create(AnyValueSchema, { value: { case: "arrayValue", value: { values: value.map(encodeValue) } } })
        : create(AnyValueSchema, {
            value: { case: "kvlistValue", value: { values: encodeAttributes(Object.entries(value)) } },
          });
  }
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(
  value: readonly AttributeValue[] | { readonly [key: string]: AttributeValue },
): value is readonly AttributeValue[] {
  return Array.isArray(value);
}
