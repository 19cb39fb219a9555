// `muster configs`: writes and reads configs. Nothing here reaches an agent; that takes a rollout.

import { basename } from "node:path";
import { create, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type ConfigFile,
  ConfigFileSchema,
  ConfigSchema,
  ListConfigsResponseSchema,
  type Revision,
  RevisionSchema,
} from "@muster/protocol/muster/configs";
import { formatConfig, formatConfigs } from "./config-text.ts";
import { readInput } from "./document.ts";
import { CommandError } from "./failure.ts";
import { contentTypeOf } from "./input.ts";
import type { Session } from "./session.ts";
import { shortHash } from "./text.ts";

/** Options of `configs create` and `configs update`. */
export interface HeadOptions {
  readonly selector?: string;
  readonly order?: number;
  readonly description?: string;
}

/** Creates a config without revisions. */
export async function createConfig(session: Session, configId: string, head: HeadOptions): Promise<void> {
  const { config = create(ConfigSchema) } = await session.configs.createConfig({ configId, ...head }, session.call);
  const next = `Publish its first revision: muster configs publish ${configId} -f <file>`;
  session.show(
    ConfigSchema,
    config,
    () => `Config ${configId} created for ${config.selector || "every agent"}. ${next}\n`,
  );
}

/** Changes what was given. */
export async function updateConfig(session: Session, configId: string, head: HeadOptions): Promise<void> {
  const paths = Object.entries(head).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (paths.length === 0) throw new CommandError("say what to change: --selector, --order or --description.");
  const request = { config: { configId, ...head }, updateMask: { paths } };
  const { config = create(ConfigSchema) } = await session.configs.updateConfig(request, session.call);
  session.show(ConfigSchema, config, () => `Config ${configId} changed; it takes effect with its next rollout.\n`);
}

/** Options of `configs publish`. */
export interface PublishOptions {
  readonly file: readonly string[];
  readonly contentType?: string;
  readonly message?: string;
}

/** Publishes files as the next revision. */
export async function publishRevision(session: Session, configId: string, options: PublishOptions): Promise<void> {
  const files = await Promise.all(options.file.map((path) => readConfigFile(session, path, options.contentType)));
  const request = { configId, files, message: options.message ?? "" };
  const { revision = create(RevisionSchema) } = await session.configs
    .publishRevision(request, session.call)
    .catch((cause: unknown) => {
      const nameOf = (field: string) =>
        field.replace(/^files\[(\d+)\](\.body)?/, (_, i) => options.file[Number(i)] ?? field);
      throw new CommandError("the revision was refused.", { cause, nameOf });
    });
  const next = `Roll it out: muster rollouts start ${configId} --watch`;
  const what = `Revision ${revision.revision} of ${configId} (${shortHash(revision.hash)})`;
  session.show(RevisionSchema, revision, () => `${what} is published. ${next}\n`);
}

async function readConfigFile(session: Session, path: string, contentType: string | undefined): Promise<ConfigFile> {
  // Read first: of a file that is not there, its name tells nothing worth complaining about.
  const body = await readInput(session, path);
  const type = contentType ?? (path === "-" ? "text/yaml" : contentTypeOf(path));
  if (type === null) throw new CommandError(`cannot tell what ${path} holds; add --content-type.`);
  const piped = type.includes("json") ? "config.json" : "config.yaml";
  return create(ConfigFileSchema, { name: path === "-" ? piped : basename(path), contentType: type, body });
}

/** Shows a config and one of its revisions; `revision` 0 is the latest. */
export async function getConfig(
  session: Session,
  configId: string,
  { revision = 0 }: { readonly revision?: number },
): Promise<void> {
  const { config = create(ConfigSchema) } = await session.configs.getConfig({ configId }, session.call);
  const found = await findRevision(session, configId, revision);
  if (session.options.output === "table") return session.write(formatConfig(config, found, session.nowMs()));
  const options = { alwaysEmitImplicit: true };
  const document = {
    config: toJson(ConfigSchema, config, options),
    ...(found !== null && { revision: toJson(RevisionSchema, found, options) }),
  };
  session.write(`${JSON.stringify(document, null, 2)}\n`);
}

/** A revision, or null when the latest is asked for and there is none yet. */
async function findRevision(session: Session, configId: string, number: number): Promise<Revision | null> {
  try {
    const { revision } = await session.configs.getRevision({ configId, revision: BigInt(number) }, session.call);
    return revision ?? null;
  } catch (error) {
    if (number === 0 && ConnectError.from(error).code === Code.NotFound) return null;
    throw error;
  }
}

/** Lists every config. */
export async function listConfigs(session: Session): Promise<void> {
  const listed = create(ListConfigsResponseSchema);
  do {
    const page = await session.configs.listConfigs({ pageSize: 1_000, pageToken: listed.nextPageToken }, session.call);
    listed.configs.push(...page.configs);
    listed.nextPageToken = page.nextPageToken;
  } while (listed.nextPageToken !== "");
  const none = "There is no config yet. Create one: muster configs create <id> --selector <selector>\n";
  session.show(ListConfigsResponseSchema, listed, () =>
    listed.configs.length === 0 ? none : formatConfigs(listed.configs, session.nowMs()),
  );
}
