// DiffRevisions: what differs between two revisions of a config, or between one and files that are not published yet.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ConfigFile,
  type ContentChange,
  canonicalFiles,
  contentChanges,
  hashFiles,
  parseConfigId,
  type SecretPin,
} from "@muster/fleet";
import {
  ChangeKind,
  type DiffRevisionsRequest,
  type DiffRevisionsResponseSchema,
  type FileDiffSchema,
} from "@muster/protocol/muster/configs";
import type { Configs } from "@muster/store";
import { checked, parseCount } from "./checked.ts";
import { existing, existingRevision } from "./existing-config.ts";
import { diffTexts } from "./text-diff.ts";
import { fromFiles } from "./translate-config.ts";

const MAX_CHANGES = 1_000;
/** Of all patches together: many clients refuse answers beyond 4 MiB. */
const MAX_PATCH_CHARS = 2_000_000;
/** Of one value, as JSON. */
const MAX_VALUE_CHARS = 1_000;

const KINDS = {
  added: ChangeKind.ADDED,
  removed: ChangeKind.REMOVED,
  changed: ChangeKind.CHANGED,
} as const satisfies Record<ContentChange["kind"], ChangeKind>;

/** One side of a comparison; `number` 0 is no revision. */
interface Side {
  readonly number: number;
  readonly files: readonly ConfigFile[];
  readonly secrets: readonly SecretPin[];
}

const NOTHING: Side = { number: 0, files: [], secrets: [] };

/** Compares. @throws FleetError `not_found`, `invalid` */
export async function diffRevisions(
  { configs }: { readonly configs: Pick<Configs, "get" | "revision"> },
  request: DiffRevisionsRequest,
): Promise<MessageInitShape<typeof DiffRevisionsResponseSchema>> {
  const { id, from, to } = checked({
    id: () => parseConfigId(request.configId),
    from: () => parseCount("from_revision", request.fromRevision),
    to: () => parseCount("to_revision", request.toRevision),
  });
  const { config } = await existing(configs, id);
  const hasFiles = request.toFiles.length > 0;
  const after: Side = hasFiles
    ? { number: 0, files: canonicalFiles(fromFiles(request.toFiles)), secrets: [] }
    : await existingRevision(configs, id, to);
  const fromNumber = from > 0 ? from : hasFiles ? config.latestRevision : after.number - 1;
  const before: Side = fromNumber === 0 ? NOTHING : await existingRevision(configs, id, fromNumber);
  const secrets = hasFiles ? [] : secretChanges(before.secrets, after.secrets);
  return {
    fromRevision: BigInt(before.number),
    toRevision: BigInt(after.number),
    identical: hashFiles(before.files) === hashFiles(after.files) && secrets.length === 0,
    files: fileDiffs(before.files, after.files),
    changes: [...(contentChanges(before.files, after.files) ?? []), ...secrets].slice(0, MAX_CHANGES).map((each) => ({
      path: each.path,
      kind: KINDS[each.kind],
      before: shortened(each.before),
      after: shortened(each.after),
    })),
  };
}

/** Secrets that both sides refer to, in another version. */
function secretChanges(before: readonly SecretPin[], after: readonly SecretPin[]): readonly ContentChange[] {
  return after.flatMap(({ id, version }): readonly ContentChange[] => {
    const old = before.find((each) => each.id === id)?.version ?? version;
    if (old === version) return [];
    return [{ path: `\${secret:${id}}`, kind: "changed", before: `version ${old}`, after: `version ${version}` }];
  });
}

function fileDiffs(
  before: readonly ConfigFile[],
  after: readonly ConfigFile[],
): MessageInitShape<typeof FileDiffSchema>[] {
  const [old, now] = [byName(before), byName(after)];
  const names = canonicalFiles([...old.values(), ...[...now.values()].filter(({ name }) => !old.has(name))]);
  let room = MAX_PATCH_CHARS;
  return names.flatMap(({ name }) => {
    const [a, b] = [old.get(name), now.get(name)];
    if (a !== undefined && b !== undefined && hashFiles([a]) === hashFiles([b])) return [];
    const patch = diffTexts(name, textOf(a), textOf(b)).slice(0, room);
    room -= patch.length;
    return [{ name, kind: a === undefined ? KINDS.added : b === undefined ? KINDS.removed : KINDS.changed, patch }];
  });
}

function byName(files: readonly ConfigFile[]): ReadonlyMap<string, ConfigFile> {
  return new Map(files.map((file) => [file.name, file]));
}

function textOf(file: ConfigFile | undefined): string {
  return file === undefined ? "" : new TextDecoder().decode(file.body);
}

function shortened(text: string): string {
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS)}…`;
}
