// One encoding per value, for hashes: every part with its length, maps in the order of their keys. Pure.
//
// Two values have the same encoding only if they are equal: a text is `s<bytes>:<text>`, a list `l<count>:` and its
// items, a map `m<count>:` and its keys and values.

import { createHash } from "node:crypto";
import type { JsonValue } from "@bufbuild/protobuf";

/** SHA-256 over the one encoding of a value. */
export function hashOf(value: JsonValue): Buffer {
  return createHash("sha256").update(encode(value)).digest();
}

function encode(value: JsonValue): string {
  if (value === null) return "z";
  switch (typeof value) {
    case "string":
      return `s${Buffer.byteLength(value)}:${value}`;
    case "number":
    case "boolean":
      return `${typeof value === "number" ? "n" : "b"}${value};`;
    default:
      return encodeParts(value);
  }
}

function encodeParts(value: JsonValue[] | { readonly [key: string]: JsonValue }): string {
  if (Array.isArray(value)) return `l${value.length}:${value.map(encode).join("")}`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `m${entries.length}:${entries.map(([key, part]) => encode(key) + encode(part)).join("")}`;
}
