// BlameRevision: reads the revisions of a config back from one of them, and says of each line which one brought it (blame.ts).

import type { MessageInitShape } from "@bufbuild/protobuf";
import { parseConfigId, type Revision } from "@muster/fleet";
import type { BlameRevisionRequest, BlameRevisionResponseSchema } from "@muster/protocol/muster/configs";
import { type Configs, configNotFound } from "@muster/store";
import { createBlame, type TextFile } from "./blame.ts";
import { checked, parseCount } from "./checked.ts";
import { existing, existingRevision } from "./existing-config.ts";
import { toRevision } from "./translate-config.ts";

/** Revisions that are looked at, at most. */
const MAX_REVISIONS = 200;
/** Read together. */
const BATCH = 20;

/** Blames. @throws FleetError `not_found`, `invalid` */
export async function blameRevision(
  { configs }: { readonly configs: Pick<Configs, "get" | "revision" | "revisions"> },
  request: BlameRevisionRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof BlameRevisionResponseSchema>> {
  const { id, number } = checked({
    id: () => parseConfigId(request.configId),
    number: () => parseCount("revision", request.revision),
  });
  await existing(configs, id);
  const start = await existingRevision(configs, id, number);
  const blame = createBlame(start.number, textFiles(start));
  const seen = new Map([[start.number, start]]);
  let oldest = start.number;
  while (!blame.isDone() && oldest > 1 && seen.size < MAX_REVISIONS) {
    const older = await configs.revisions(id, oldest, Math.min(BATCH, MAX_REVISIONS - seen.size));
    if (older.length === 0) throw configNotFound(id); // it is deleted just now
    for (const revision of older) {
      signal.throwIfAborted();
      if (blame.isDone()) break;
      blame.lookAt(revision.number, textFiles(revision));
      seen.set(revision.number, revision);
      oldest = revision.number;
    }
  }
  const files = blame.told();
  const named = new Set(files.flatMap(({ lines }) => lines.map(({ revision }) => revision)));
  const revisions = [...seen.values()].filter((each) => named.has(each.number));
  return {
    revision: BigInt(start.number),
    files: files.map(({ name, lines }) => ({
      name,
      lines: lines.map(({ text, revision }) => ({ text, revision: BigInt(revision) })),
    })),
    revisions: revisions.map((each) => toRevision({ ...each, files: [] }, false)),
    oldestRevision: BigInt(blame.isDone() ? 1 : oldest),
  };
}

function textFiles({ files }: Revision): readonly TextFile[] {
  return files.map(({ name, body }) => {
    const text = new TextDecoder().decode(body);
    if (text === "") return { name, lines: [] };
    return { name, lines: text.replace(/\n$/, "").split("\n") };
  });
}
