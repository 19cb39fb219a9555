// `muster configs validate, render`: what is said of configs before they are rolled out.

import { RenderConfigResponseSchema, ValidateConfigResponseSchema } from "@muster/protocol/muster/configs";
import { formatRendered, formatValidation } from "./config-check-text.ts";
import { type FileOptions, nameFiles, readConfigFiles } from "./config-files.ts";
import { CommandError, EXIT } from "./failure.ts";
import type { Session } from "./session.ts";

/** Options of `configs validate`. */
export interface ValidateOptions extends FileOptions {
  readonly revision?: number;
  readonly selector?: string;
  readonly fragment?: boolean;
  readonly allowEmpty?: boolean;
}

/** Checks files or a revision. Exits with 1 if there are errors. */
export async function validateConfig(
  session: Session,
  configId: string | undefined,
  options: ValidateOptions,
): Promise<void> {
  const { revision = 0, selector, fragment = false, allowEmpty = false } = options;
  if (configId === undefined && options.file === undefined) {
    throw new CommandError("say what to check: files with -f, or a config.");
  }
  const files = await readConfigFiles(session, options);
  const about = { configId: configId ?? "", revision: BigInt(revision), files, fragment, allowEmpty };
  const request = { ...about, ...(selector !== undefined && { selector }) };
  const validation = await session.configs.validateConfig(request, session.call);
  session.show(ValidateConfigResponseSchema, validation, () => formatValidation(validation));
  if (!validation.valid) session.exitWith(EXIT.failed);
}

/** Options of `configs render`. */
export interface RenderOptions extends FileOptions {
  readonly config?: string;
  readonly revision?: number;
  readonly files?: boolean;
}

/** Shows what one agent runs, or would run. */
export async function renderConfig(session: Session, instanceUid: string, options: RenderOptions): Promise<void> {
  const { config = "", revision = 0 } = options;
  if (config === "" && (revision > 0 || options.file !== undefined)) {
    throw new CommandError("say which config the revision or the files are of: --config <id>.");
  }
  const files = await readConfigFiles(session, options);
  const request = { instanceUid, configId: config, revision: BigInt(revision), files };
  const rendered = await session.configs.renderConfig(request, session.call).catch((cause: unknown) => {
    throw new CommandError("the config cannot be rendered.", { cause, nameOf: nameFiles(options) });
  });
  session.show(RenderConfigResponseSchema, rendered, () => formatRendered(rendered, options.files === true));
}
