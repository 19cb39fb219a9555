// `muster configs history, diff, blame, restore`: what the revisions of a config tell of each other.

import { create } from "@bufbuild/protobuf";
import {
  BlameRevisionResponseSchema,
  DiffRevisionsResponseSchema,
  ListRevisionsResponseSchema,
  RevisionSchema,
} from "@muster/protocol/muster/configs";
import { formatFindings } from "./config-check-text.ts";
import { type FileOptions, readConfigFiles } from "./config-files.ts";
import { formatBlame, formatDiff, formatRevisions } from "./config-history-text.ts";
import { CommandError, EXIT } from "./failure.ts";
import { countOption } from "./input.ts";
import type { Session } from "./session.ts";
import { shortHash } from "./text.ts";

const MAX_PAGE = 1_000;

/** Lists revisions, newest first. */
export async function listRevisions(
  session: Session,
  configId: string,
  { limit }: { readonly limit: number },
): Promise<void> {
  const listed = create(ListRevisionsResponseSchema);
  do {
    const pageSize = Math.min(MAX_PAGE, limit - listed.revisions.length);
    const request = { configId, pageSize, pageToken: listed.nextPageToken };
    const page = await session.configs.listRevisions(request, session.call);
    listed.revisions.push(...page.revisions);
    listed.nextPageToken = page.nextPageToken;
  } while (listed.nextPageToken !== "" && listed.revisions.length < limit);
  const none = `${configId} has no revision yet. Publish one: muster configs publish ${configId} -f <file>\n`;
  session.show(ListRevisionsResponseSchema, listed, () =>
    listed.revisions.length === 0 ? none : formatRevisions(listed.revisions, session.nowMs()),
  );
}

/** Compares two revisions, or the latest and files. Exits with 2 if anything differs, as `muster diff` does: 1 is failure. */
export async function diffRevisions(
  session: Session,
  configId: string,
  from: string | undefined,
  to: string | undefined,
  options: FileOptions,
): Promise<void> {
  if (to !== undefined && options.file !== undefined) {
    throw new CommandError("compare with a revision or with files, not with both.");
  }
  const toFiles = await readConfigFiles(session, options);
  const request = { configId, fromRevision: revisionArgument(from), toRevision: revisionArgument(to), toFiles };
  const isLatest = from !== undefined && to === undefined && toFiles.length === 0;
  const diff = await session.configs.diffRevisions(request, session.call);
  session.show(DiffRevisionsResponseSchema, diff, () => formatDiff(diff, isLatest));
  if (!diff.identical) session.exitWith(EXIT.differs);
}

/** Shows where lines come from. */
export async function blameRevision(
  session: Session,
  configId: string,
  { revision = 0 }: { readonly revision?: number },
): Promise<void> {
  const blame = await session.configs.blameRevision({ configId, revision: BigInt(revision) }, session.call);
  session.show(BlameRevisionResponseSchema, blame, () => formatBlame(blame, session.nowMs()));
}

/** Options of `configs restore`. */
export interface RestoreOptions {
  readonly message?: string;
  readonly validateOnly?: boolean;
}

/** Publishes old content anew. */
export async function restoreRevision(
  session: Session,
  configId: string,
  number: string,
  { message = "", validateOnly = false }: RestoreOptions,
): Promise<void> {
  const request = { configId, revision: revisionArgument(number), message, validateOnly };
  const response = await session.configs.restoreRevision(request, session.call);
  const { revision = create(RevisionSchema), warnings } = response;
  const what = `Revision ${revision.revision} of ${configId} (${shortHash(revision.hash)})`;
  const next = `Roll it out: muster rollouts start ${configId} --watch`;
  if (session.options.output === "table") session.writeError(formatFindings(warnings));
  session.show(RevisionSchema, revision, () =>
    validateOnly ? `${what} could restore revision ${number}.\n` : `${what} restores revision ${number}. ${next}\n`,
  );
}

/** A revision as typed; 0 when none is. */
function revisionArgument(text: string | undefined): bigint {
  return text === undefined ? 0n : BigInt(countOption(1)(text));
}
