// What operators keep, as YAML documents: `kind: Config`, and the fields of the API's message below it. Read strictly: a field
// that the kind does not have is refused. Written so that what is read is what was written, and nothing else decides whether two
// resources are the same. Pure; apply.ts reads files and servers.

import { create, type DescMessage, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Calendar, CalendarSchema } from "@muster/protocol/muster/calendars";
import { type Config, type ConfigFile, ConfigFileSchema, ConfigSchema } from "@muster/protocol/muster/configs";
import { type Group, GroupSchema } from "@muster/protocol/muster/groups";
import { type Policy, PolicySchema } from "@muster/protocol/muster/policies";
import { parseAllDocuments, stringify } from "yaml";
import { parseMessage } from "./document.ts";
import { CommandError } from "./failure.ts";
import { contentTypeOf } from "./input.ts";

/** One resource that operators keep. */
export type Resource =
  | { readonly kind: "Calendar"; readonly id: string; readonly message: Calendar }
  | { readonly kind: "Group"; readonly id: string; readonly message: Group }
  | { readonly kind: "Policy"; readonly id: string; readonly message: Policy }
  | { readonly kind: "Config"; readonly id: string; readonly message: Config; readonly files: readonly ConfigFile[] };

/** The kinds, in an order in which each finds what it names. */
export const KINDS = ["Calendar", "Group", "Policy", "Config"] as const satisfies readonly Resource["kind"][];

/** Per kind: its message, the name of its id, and the fields that are the server's to say. */
const SHAPES = {
  Calendar: { schema: CalendarSchema, id: "calendar_id", told: ["etag"] },
  Group: { schema: GroupSchema, id: "group_id", told: ["etag"] },
  Policy: { schema: PolicySchema, id: "policy_id", told: ["etag"] },
  Config: {
    schema: ConfigSchema,
    id: "config_id",
    told: ["generation", "latest_revision", "stable_revision", "active_rollout_id", "create_time", "update_time"],
  },
} as const satisfies Record<
  Resource["kind"],
  { readonly schema: DescMessage; readonly id: string; readonly told: readonly string[] }
>;

/** Reads a file that a document names, by its path as it stands there. */
export type ReadFile = (path: string) => Promise<Uint8Array>;

/** Reads the documents of a text. `name` is what sentences call the text. @throws CommandError with the document and what is wrong */
export async function readResources(text: string, name: string, readFile: ReadFile): Promise<readonly Resource[]> {
  const documents = parseAllDocuments(text);
  const all: Resource[] = [];
  for (const [i, document] of ("empty" in documents ? [] : documents).entries()) {
    const at = `${name}, document ${i + 1}`;
    const [error] = document.errors;
    if (error !== undefined) throw new CommandError(`${at} does not parse: ${error.message.split("\n")[0]}`);
    const json = document.toJS({ maxAliasCount: 100 }) as JsonValue; // YAML of plain scalars, lists and maps
    if (json !== null) all.push(await readResource(json, at, readFile));
  }
  return all;
}

async function readResource(json: JsonValue, at: string, readFile: ReadFile): Promise<Resource> {
  if (!isMap(json)) throw new CommandError(`${at} is no map; write kind: Config, and its fields below.`);
  const { kind, files, ...fields } = json;
  if (!isKind(kind)) throw new CommandError(`${at}: kind is to be one of ${KINDS.join(", ")}.`);
  const { schema, id: idName } = SHAPES[kind];
  if (files !== undefined && kind !== "Config") throw new CommandError(`${at}: only a Config has files.`);
  const message = parseMessage(schema, fields, at);
  const id = (toJson(schema, message, { useProtoFieldName: true }) as JsonObject)[idName]; // a message is a map
  if (typeof id !== "string" || id === "") throw new CommandError(`${at}: ${idName} is missing.`);
  // The kind chose the schema.
  if (kind !== "Config") return { kind, id, message } as Resource;
  return { kind, id, message: message as Config, files: await readFiles(files ?? [], at, readFile) };
}

async function readFiles(files: JsonValue, at: string, readFile: ReadFile): Promise<readonly ConfigFile[]> {
  if (!Array.isArray(files)) throw new CommandError(`${at}: files is to be a list.`);
  return await Promise.all(files.map((file, i) => readConfigFile(file, `${at}, files[${i}]`, readFile)));
}

const FILE_FIELDS = ["name", "content_type", "text", "base64", "path"];

async function readConfigFile(file: JsonValue, at: string, readFile: ReadFile): Promise<ConfigFile> {
  if (!isMap(file)) throw new CommandError(`${at} is no map; it has a name, and text, path or base64.`);
  const stranger = Object.keys(file).find((key) => !FILE_FIELDS.includes(key));
  if (stranger !== undefined)
    throw new CommandError(`${at}: ${stranger} is no field here; there are ${FILE_FIELDS.join(", ")}.`);
  const { text, base64, path } = file;
  const given = [text, base64, path].filter((each) => typeof each === "string");
  if (given.length !== 1) throw new CommandError(`${at}: give text, path or base64, one of them.`);
  const name = typeof file["name"] === "string" ? file["name"] : baseName(path);
  if (name === "") throw new CommandError(`${at}: name is missing.`);
  const type = typeof file["content_type"] === "string" ? file["content_type"] : contentTypeOf(name);
  if (type === null) throw new CommandError(`${at}: cannot tell what ${name} holds; add content_type.`);
  const body = await bodyOf(given[0] ?? "", text, base64, readFile);
  return create(ConfigFileSchema, { name, contentType: type, body });
}

async function bodyOf(given: JsonValue, text: unknown, base64: unknown, readFile: ReadFile): Promise<Uint8Array> {
  if (typeof given !== "string") return new Uint8Array();
  if (given === text) return Buffer.from(given);
  return given === base64 ? Buffer.from(given, "base64") : await readFile(given);
}

function baseName(path: unknown): string {
  return typeof path === "string" ? (path.split("/").at(-1) ?? "") : "";
}

/** A resource as a YAML document. Equal resources have equal texts. */
export function writeResource(resource: Resource): string {
  const { schema, told } = SHAPES[resource.kind];
  const json = toJson(schema, resource.message as never, { useProtoFieldName: true }) as JsonObject; // of that schema
  const own = Object.entries(json).filter(([name]) => !(told as readonly string[]).includes(name));
  const files = resource.kind === "Config" && resource.files.length > 0 ? { files: resource.files.map(writeFile) } : {};
  // Long texts stay as they are: a folded line would be another text in a diff.
  return stringify({ kind: resource.kind, ...Object.fromEntries(own), ...files }, { lineWidth: 0 });
}

function writeFile({ name, contentType, body }: ConfigFile): JsonObject {
  const text = Buffer.from(body).toString();
  const isText = Buffer.from(text).equals(Buffer.from(body));
  return { name, content_type: contentType, ...(isText ? { text } : { base64: Buffer.from(body).toString("base64") }) };
}

/** The documents of some resources, one text. */
export function writeResources(resources: readonly Resource[]): string {
  return resources.map(writeResource).join("---\n");
}

/** What a resource is called: `config demo`. */
export function nameOf({ kind, id }: Pick<Resource, "kind" | "id">): string {
  return `${kind.toLowerCase()} ${id}`;
}

/** Whether a word is the name of a kind. */
export function isKind(kind: unknown): kind is Resource["kind"] {
  return typeof kind === "string" && (KINDS as readonly string[]).includes(kind);
}

function isMap(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
