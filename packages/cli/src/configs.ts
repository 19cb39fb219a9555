// `muster configs`: writes and reads configs. Nothing here reaches an agent; that takes a rollout.

import { create, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  ConfigSchema,
  ListConfigsResponseSchema,
  type Revision,
  RevisionSchema,
} from "@muster/protocol/muster/configs";
import { formatFindings } from "./config-check-text.ts";
import { type FileOptions, nameFiles, readConfigFiles } from "./config-files.ts";
import { formatConfig, formatConfigs } from "./config-text.ts";
import { CommandError } from "./failure.ts";
import type { Session } from "./session.ts";
import { shortHash } from "./text.ts";

/** Options of `configs create` and `configs update`. */
export interface HeadOptions {
  readonly selector?: string;
  readonly order?: number;
  readonly description?: string;
  readonly fragment?: boolean;
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
  if (paths.length === 0)
    throw new CommandError("say what to change: --selector, --order, --description, --fragment or --no-fragment.");
  const request = { config: { configId, ...head }, updateMask: { paths } };
  const { config = create(ConfigSchema) } = await session.configs.updateConfig(request, session.call);
  session.show(ConfigSchema, config, () => `Config ${configId} changed; it takes effect with its next rollout.\n`);
}

/** Options of `configs publish`. */
export interface PublishOptions extends FileOptions {
  readonly message?: string;
  readonly allowEmpty?: boolean;
  readonly expectLatest?: number;
  readonly validateOnly?: boolean;
}

/** Publishes files as the next revision. Warnings go where errors go: they are none of the answer. */
export async function publishRevision(session: Session, configId: string, options: PublishOptions): Promise<void> {
  const { message = "", allowEmpty = false, expectLatest = 0, validateOnly = false } = options;
  const files = await readConfigFiles(session, options);
  const request = { configId, files, message, allowEmpty, validateOnly, expectedLatestRevision: BigInt(expectLatest) };
  const response = await session.configs.publishRevision(request, session.call).catch((cause: unknown) => {
    throw new CommandError("the revision was refused.", { cause, nameOf: nameFiles(options) });
  });
  const { revision = create(RevisionSchema), warnings } = response;
  const next = `Roll it out: muster rollouts start ${configId} --watch`;
  const what = `Revision ${revision.revision} of ${configId} (${shortHash(revision.hash)})`;
  const text = validateOnly ? `${what} could be published.\n` : `${what} is published. ${next}\n`;
  if (session.options.output === "table") session.writeError(formatFindings(warnings));
  // Scripts read the revision at the top of the document, where it always was.
  session.show(RevisionSchema, revision, () => text);
}

/** Options of `configs delete`. */
export interface DeleteOptions {
  readonly expectGeneration?: number;
  readonly validateOnly?: boolean;
}

/** Deletes a config with its revisions. */
export async function deleteConfig(
  session: Session,
  configId: string,
  { expectGeneration = 0, validateOnly = false }: DeleteOptions,
): Promise<void> {
  const request = { configId, validateOnly, expectedGeneration: BigInt(expectGeneration) };
  const { config = create(ConfigSchema) } = await session.configs.deleteConfig(request, session.call);
  session.show(ConfigSchema, config, () => `Config ${configId} ${validateOnly ? "could be" : "is"} deleted.\n`);
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
