// `muster apply`, `muster diff` and `muster export`: what operators keep, as files in a repository. The server checks every document
// first and says what it would keep; only what differs from what it keeps is written, and only over what was read. No rollout starts
// unless it is asked for: configs reach agents by rollouts only.

import { randomUUID } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import { readInput } from "./document.ts";
import { CommandError, EXIT } from "./failure.ts";
import {
  KINDS,
  nameOf,
  type Resource,
  readResources,
  writeResource as textOf,
  writeResources,
} from "./fleet-document.ts";
import { deleteResource, listKind, readResource, writeResource } from "./fleet-state.ts";
import { watchRollout } from "./rollouts.ts";
import type { Session } from "./session.ts";

/** Options of `diff`. */
export interface DiffOptions {
  /** Files, directories of them, or - for standard input. */
  readonly file: readonly string[];
  /** Of the kinds that the documents have, delete what none of them names. */
  readonly prune?: boolean;
}

/** Options of `apply`. */
export interface ApplyOptions extends DiffOptions {
  readonly message?: string;
  /** Roll out the newest revision of each config of the documents that is not rolled out yet. */
  readonly rollout?: boolean;
  /** How, see `rollouts start --policy`. */
  readonly policy?: string;
  /** The commit that the files are of: kept with the rollouts. */
  readonly commit?: string;
  /** Follow the rollouts to their ends. */
  readonly watch?: boolean;
}

/** What is to become of a resource. */
type Change =
  | { readonly kind: "create"; readonly wanted: Resource; readonly present: null }
  | { readonly kind: "update"; readonly wanted: Resource; readonly present: Resource }
  | { readonly kind: "delete"; readonly wanted: null; readonly present: Resource };

/** Shows what `apply` would change. Exits with 0 when it would change nothing, with 2 when it would. */
export async function diffFleet(session: Session, options: DiffOptions): Promise<void> {
  const changes = await plan(session, await readAll(session, options.file), options);
  if (session.options.output === "json") session.write(`${JSON.stringify(changes.map(summaryOf), null, 2)}\n`);
  else session.write(changes.length === 0 ? "Nothing differs.\n" : changes.map(patchOf).join(""));
  session.exitWith(changes.length === 0 ? EXIT.ok : EXIT.differs);
}

/** Makes the server keep what the documents say. */
export async function applyFleet(session: Session, options: ApplyOptions): Promise<void> {
  const wanted = await readAll(session, options.file);
  const changes = await plan(session, wanted, options);
  const run = randomUUID();
  const revised: string[] = [];
  for (const [i, change] of changes.entries()) {
    const requestId = `apply-${run}-${i}`;
    await make(session, change, { requestId, message: options.message ?? "", validateOnly: false });
    if (session.options.output === "table")
      session.write(`${nameOf(change.wanted ?? change.present)} ${DONE[change.kind]}\n`);
    if (isRevised(change)) revised.push(change.wanted.id);
  }
  if (session.options.output === "json") session.write(`${JSON.stringify(changes.map(summaryOf), null, 2)}\n`);
  else if (changes.length === 0) session.write("Nothing differs; nothing was changed.\n");
  if (options.rollout === true) return await rollOut(session, wanted, run, options);
  if (revised.length > 0 && session.options.output === "table") {
    const has = revised.length === 1 ? "config has a new revision" : "configs have new revisions";
    session.write(`${revised.length} ${has}. Roll out: muster rollouts start ${revised[0]} --watch\n`);
  }
}

/** Writes everything that operators keep, as `apply` reads it. */
export async function exportFleet(session: Session, { kind }: { readonly kind?: readonly string[] }): Promise<void> {
  const wanted = KINDS.filter((each) => kind === undefined || kind.includes(each.toLowerCase()));
  const all: Resource[] = [];
  for (const each of wanted) all.push(...(await listKind(session, each)));
  session.write(writeResources(all));
}

const DONE = { create: "created", update: "changed", delete: "deleted" } as const satisfies Record<
  Change["kind"],
  string
>;

async function readAll(session: Session, file: readonly string[]): Promise<readonly Resource[]> {
  const wanted = (await Promise.all(file.map((path) => readPath(session, path)))).flat();
  if (wanted.length === 0) throw new CommandError(`${file.join(", ")}: there is no document; see muster apply --help.`);
  mustBeOnce(wanted);
  return wanted;
}

/** What differs between the documents and the server, in an order in which it can be written. */
async function plan(
  session: Session,
  wanted: readonly Resource[],
  { prune }: Pick<DiffOptions, "prune">,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (const kind of KINDS) {
    const ofKind = wanted.filter((each) => each.kind === kind);
    for (const each of ofKind) {
      const change = await compare(session, each);
      if (change !== null) changes.push(change);
    }
  }
  const gone = prune === true ? await findGone(session, wanted) : [];
  return [...changes, ...gone];
}

/** What none of the documents names, of the kinds that they have: what others name goes last. */
async function findGone(session: Session, wanted: readonly Resource[]): Promise<readonly Change[]> {
  const gone: Change[] = [];
  for (const kind of [...KINDS].reverse()) {
    const ids = new Set(wanted.filter((each) => each.kind === kind).map(({ id }) => id));
    if (ids.size === 0) continue;
    const rest = (await listKind(session, kind)).filter(({ id }) => !ids.has(id));
    // Whether the others may go is known once the configs that name them have gone.
    if (kind === "Config") for (const each of rest) await mustBeFree(session, each);
    gone.push(...rest.map((each) => ({ kind: "delete", wanted: null, present: each }) as const));
  }
  return gone;
}

async function mustBeFree(session: Session, present: Resource): Promise<void> {
  await deleteResource(session, present, { validateOnly: true, requestId: "" }).catch((cause: unknown) => {
    throw new CommandError(`${nameOf(present)} cannot be deleted.`, { cause });
  });
}

/** Asks the server what it would keep, and compares it with what it keeps. */
async function compare(session: Session, wanted: Resource): Promise<Change | null> {
  const present = await readResource(session, wanted);
  const writing = { validateOnly: true, requestId: "", message: "" };
  const would = await writeResource(session, wanted, present, writing).catch((cause: unknown) => {
    if (cause instanceof CommandError) throw cause;
    const nameOfField = (field: string) => `${nameOf(wanted)}: ${field}`;
    throw new CommandError(`${nameOf(wanted)} was refused.`, { cause, nameOf: nameOfField });
  });
  if (present === null) return { kind: "create", wanted: would, present };
  return textOf(would) === textOf(present) ? null : { kind: "update", wanted: would, present };
}

async function make(session: Session, change: Change, writing: Parameters<typeof writeResource>[3]): Promise<void> {
  switch (change.kind) {
    case "create":
    case "update":
      await writeResource(session, change.wanted, change.present, writing);
      return;
    case "delete":
      await deleteResource(session, change.present, writing);
  }
}

/** Whether a config has another revision since. */
function isRevised(change: Change): change is Extract<Change, { readonly kind: "create" | "update" }> {
  const { wanted, present } = change;
  if (wanted?.kind !== "Config" || wanted.files.length === 0) return false;
  if (present?.kind !== "Config") return true;
  return textOf({ ...wanted, message: present.message }) !== textOf(present);
}

/**
 * Level-triggered: what an earlier run published and did not roll out is rolled out now, and a rollout that it started is
 * followed rather than started again.
 */
async function rollOut(
  session: Session,
  wanted: readonly Resource[],
  run: string,
  { policy = "", message = "", commit = "", watch = false }: ApplyOptions,
): Promise<void> {
  const following: string[] = [];
  for (const { kind, id: configId } of wanted) {
    if (kind !== "Config") continue;
    const { config } = await session.configs.getConfig({ configId }, session.call);
    if (config === undefined || config.latestRevision === config.stableRevision) continue;
    const isAtWork = await brings(session, config.activeRolloutId, config.latestRevision);
    if (isAtWork) following.push(config.activeRolloutId);
    else following.push(await start(configId));
  }
  if (!watch) return;
  // One after the other: the first that does not succeed says how the command ends.
  let worst: number = EXIT.ok;
  const exitWith = (code: number) => {
    worst = worst === EXIT.ok ? code : worst;
  };
  for (const id of following) await watchRollout({ ...session, exitWith }, id);
  session.exitWith(worst);

  async function start(configId: string): Promise<string> {
    const source = commit === "" ? "cli" : "git";
    const requestId = `apply-${run}-${configId}`;
    const ask = { configId, policyId: policy, reason: message, source, commit, requestId };
    const { rollout } = await session.rollouts.startRollout(ask, session.call);
    const rolloutId = rollout?.rolloutId ?? "";
    if (session.options.output === "table") session.write(`rollout ${rolloutId} of ${configId} began\n`);
    return rolloutId;
  }
}

/** Whether a rollout that is at work brings a revision. */
async function brings(session: Session, rolloutId: string, revision: bigint): Promise<boolean> {
  if (rolloutId === "") return false;
  const { rollout } = await session.rollouts.getRollout({ rolloutId }, session.call);
  return rollout?.revision === revision;
}

/** The documents of a file, or of all YAML files of a directory by their names; - is standard input. */
async function readPath(session: Session, path: string): Promise<readonly Resource[]> {
  if (path !== "-" && (await stat(path).catch(() => null))?.isDirectory() === true) {
    const names = (await readdir(path)).filter((name) => /\.ya?ml$/i.test(name)).sort();
    const documents = await Promise.all(names.map((name) => readPath(session, join(path, name))));
    return documents.flat();
  }
  const text = Buffer.from(await readInput(session, path)).toString();
  const folder = path === "-" ? "." : dirname(path);
  return await readResources(text, path === "-" ? "standard input" : path, (named) =>
    readNamed(resolve(folder, named)),
  );
}

async function readNamed(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function mustBeOnce(resources: readonly Resource[]): void {
  const seen = new Set<string>();
  for (const each of resources) {
    const name = nameOf(each);
    if (seen.has(name)) throw new CommandError(`${name} is there twice; keep one of the documents.`);
    seen.add(name);
  }
}

const PATCH = { context: 3, headerOptions: FILE_HEADERS_ONLY };

function patchOf({ wanted, present }: Change): string {
  const name = nameOf(wanted ?? present);
  const [before, after] = [present === null ? "" : textOf(present), wanted === null ? "" : textOf(wanted)];
  return createTwoFilesPatch(name, name, before, after, "kept", "wanted", PATCH);
}

function summaryOf(change: Change) {
  const { kind, id } = change.wanted ?? change.present;
  return { change: change.kind, kind, id, diff: patchOf(change) };
}
