// Files in the API's words: YAML or JSON that holds one message. Every field that the message does not have is refused,
// with the name that was probably meant: a typing error must not silently leave a part out. Pure, but for reading.

import { readFile } from "node:fs/promises";
import { type DescField, type DescMessage, fromJson, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import { parse } from "yaml";
import { CommandError } from "./failure.ts";
import type { Outside } from "./session.ts";
import { distance } from "./text.ts";

/** The bytes of a file; `-` is standard input. @throws CommandError naming the file that cannot be read */
export async function readInput({ readStdin }: Pick<Outside, "readStdin">, path: string): Promise<Uint8Array> {
  if (path === "-") return await readStdin();
  try {
    return await readFile(path);
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(isMissing ? `there is no file ${path}.` : `cannot read ${path}: ${why}`);
  }
}

/** Reads a text as a message. `name` is what sentences call the text. @throws CommandError with everything that is wrong */
export function parseDocument<Schema extends DescMessage>(
  schema: Schema,
  text: string,
  name: string,
): MessageShape<Schema> {
  return parseMessage(schema, parseText(text, name), name);
}

/** Reads JSON as a message. `name` is what sentences call it. @throws CommandError with everything that is wrong */
export function parseMessage<Schema extends DescMessage>(
  schema: Schema,
  json: JsonValue,
  name: string,
): MessageShape<Schema> {
  const unknown = unknownFields(schema, json, "");
  if (unknown.length > 0) {
    const [first] = unknown;
    const more = unknown.length === 1 ? first : `${unknown.length} fields are wrong:\n  ${unknown.join("\n  ")}`;
    throw new CommandError(`${name}: ${more}`);
  }
  try {
    return fromJson(schema, json);
  } catch (error) {
    throw new CommandError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseText(text: string, name: string): JsonValue {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new CommandError(`${name} does not parse as YAML or JSON: ${why.replace(/:$/, ".")}`);
  }
  if (isMap(value)) return value;
  throw new CommandError(`${name} holds no fields; write them as YAML or as a JSON object.`);
}

type JsonMap = { [key: string]: JsonValue };

function isMap(value: unknown): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A sentence for each field that a message does not have, at any depth. */
function unknownFields(schema: DescMessage, json: JsonValue, path: string): readonly string[] {
  if (!isMap(json)) return []; // fromJson says what is wrong with it
  return Object.entries(json).flatMap(([key, value]) => {
    const field = schema.fields.find((each) => each.name === key || each.jsonName === key);
    if (field === undefined) return [`${path}${key} is no field here; ${suggestion(schema, key)}`];
    return within(field, value, `${path}${key}`);
  });
}

function within(field: DescField, value: JsonValue, path: string): readonly string[] {
  if (field.fieldKind === "message") return unknownFields(field.message, value, `${path}.`);
  if (field.fieldKind !== "map" || field.mapKind !== "message" || !isMap(value)) return [];
  const { message } = field;
  return Object.entries(value).flatMap(([key, part]) => unknownFields(message, part, `${path}[${key}].`));
}

/** Names this close are taken for typing errors: two letters of five, one of four. */
const MAX_DISTANCE = 3;
const MAX_DISTANCE_SHARE = 0.4;

function suggestion(schema: DescMessage, key: string): string {
  const names = schema.fields.map((field) => field.name);
  const word = key.toLowerCase().replaceAll("-", "_");
  const close = Math.min(MAX_DISTANCE, Math.floor(word.length * MAX_DISTANCE_SHARE));
  const near = names
    .map((name) => ({ name, away: distance(name, word) }))
    .filter(({ name, away }) => away <= close || name.startsWith(word) || name.endsWith(`_${word}`))
    .sort((a, b) => a.away - b.away)[0];
  return near === undefined ? `there are ${names.join(", ")}.` : `did you mean ${near.name}?`;
}
