// Files on the command line as files of a config.

import { basename } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type ConfigFile, ConfigFileSchema } from "@muster/protocol/muster/configs";
import { readInput } from "./document.ts";
import { CommandError } from "./failure.ts";
import { contentTypeOf } from "./input.ts";
import type { Session } from "./session.ts";

/** Options of commands that read files. */
export interface FileOptions {
  readonly file?: readonly string[];
  readonly contentType?: string;
}

/** Reads them all. @throws CommandError naming the one that cannot be read */
export async function readConfigFiles(
  session: Session,
  { file = [], contentType }: FileOptions,
): Promise<ConfigFile[]> {
  return await Promise.all(file.map((path) => readConfigFile(session, path, contentType)));
}

async function readConfigFile(session: Session, path: string, contentType: string | undefined): Promise<ConfigFile> {
  // Read first: of a file that is not there, its name tells nothing worth complaining about.
  const body = await readInput(session, path);
  const type = contentType ?? (path === "-" ? "text/yaml" : contentTypeOf(path));
  if (type === null) throw new CommandError(`cannot tell what ${path} holds; add --content-type.`);
  const piped = type.includes("json") ? "config.json" : "config.yaml";
  return create(ConfigFileSchema, { name: path === "-" ? piped : basename(path), contentType: type, body });
}

/** What to call `files[0].body` in the words of the command. */
export function nameFiles({ file = [] }: FileOptions): (field: string) => string {
  return (field) => field.replace(/^files\[(\d+)\](\.body)?/, (_, i) => file[Number(i)] ?? field);
}
