// Messages as the audit keeps them: as JSON, without what is secret (fields with `debug_redact` in their proto file, user info
// of URLs) and with bodies as their size and digest. Pure.

import { createHash } from "node:crypto";
import {
  type DescField,
  type DescMessage,
  type JsonValue,
  type Message,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";

/** Longest JSON of one message; what is longer is kept as its digest. */
const MAX_CHARS = 64 * 1024;
/** What stands in place of a secret. */
export const REDACTED = "[redacted]";

/** The JSON of a message, as text. */
export function auditJson(desc: DescMessage, message: Message): string {
  const json = jsonOf(desc, message);
  if (json === null) return JSON.stringify({ unreadable: digestOf(toBinary(desc, message)) });
  const text = JSON.stringify(redactMessage(desc, json));
  return text.length <= MAX_CHARS ? text : JSON.stringify({ too_long: digestOf(Buffer.from(text)) });
}

/** null where a field has no form in JSON, such as a time before the year 1: the method says what is wrong with it. */
function jsonOf(desc: DescMessage, message: Message): JsonValue | null {
  try {
    return toJson(desc, message, { useProtoFieldName: true });
  } catch {
    return null;
  }
}

function redactMessage(desc: DescMessage, json: JsonValue): JsonValue {
  if (!isMap(json)) return json;
  // The JSON of these has no fields of theirs.
  if (desc.typeName.startsWith("google.protobuf.")) return json;
  const fields = Object.entries(json).map(([name, value]) => {
    const field = desc.fields.find((each) => each.name === name);
    return [name, field === undefined ? value : redactField(field, value)] as const;
  });
  return Object.fromEntries(fields);
}

function redactField(field: DescField, value: JsonValue): JsonValue {
  const isSecret = field.proto.options?.debugRedact === true;
  const redact = (one: JsonValue): JsonValue => {
    if (isSecret) return REDACTED;
    if (field.message !== undefined) return redactMessage(field.message, one);
    if (typeof one !== "string") return one;
    return field.scalar === ScalarType.BYTES ? digestOf(Buffer.from(one, "base64")) : withoutUserInfo(one);
  };
  if (Array.isArray(value)) return value.map(redact);
  if (field.fieldKind !== "map" || !isMap(value)) return redact(value);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, redact(one)]));
}

function isMap(json: JsonValue): json is { readonly [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function digestOf(body: Uint8Array): string {
  return `${body.byteLength} bytes, sha256 ${createHash("sha256").update(body).digest("hex")}`;
}

function withoutUserInfo(text: string): string {
  return text.replaceAll(/\/\/[^\s/@]+@/g, `//${REDACTED}@`);
}
