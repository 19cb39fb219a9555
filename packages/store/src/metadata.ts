// What operators say of single agents: labels and annotations. Control state, on disk before it is answered: it must outlive
// the fleet state, and agents that come back find it again. The projector folds it into views; nobody selects by it here.
//
// It is one hash, since most agents have none, and a field costs a fraction of a key.

import { type InstanceUid, joinMetadata, type Metadata, NO_METADATA, type Pairs } from "@muster/fleet";
import type { Redis } from "ioredis";
import { putMetadata } from "./gen/scripts.ts";
import { controlKeys } from "./keys.ts";
import { run } from "./redis.ts";

/** What is to be kept of one agent instead of what was read. */
export interface MetadataWrite {
  readonly uid: InstanceUid;
  readonly before: Metadata;
  /** null: nothing any more. */
  readonly after: Metadata | null;
}

/** A part of all that is said. */
export interface MetadataPage {
  readonly said: ReadonlyMap<InstanceUid, Metadata>;
  /** Where to go on; "0" at the end. */
  readonly cursor: string;
}

/** Metadata of agents. */
export interface MetadataStore {
  /** In the order of the uids. */
  load(uids: readonly InstanceUid[]): Promise<readonly Metadata[]>;
  /** About `count` of all that is said, from a place on ("0": the beginning); what is said meanwhile may be left out. */
  scan(cursor: string, count: number): Promise<MetadataPage>;
  /** Answers, in their order, which were written: of the others somebody else said something meanwhile. */
  put(writes: readonly MetadataWrite[]): Promise<readonly boolean[]>;
  /** What was said of `from` is said of `to` from now on, except where something else is said of that. */
  move(from: InstanceUid, to: InstanceUid): Promise<void>;
  /** Forgets all that was said of some agents. */
  remove(uids: readonly InstanceUid[]): Promise<void>;
}

/** Agents of one command: Redis serves nobody else meanwhile. */
const MAX_WRITES = 250;
const MAX_READS = 1_000;
/** Operators are not that fast. */
const MAX_RACES = 20;

/** @param settle resolves when what was written is on disk */
export function createMetadata(control: Redis, settle: () => Promise<void>): MetadataStore {
  const key = controlKeys.metadata;
  const load: MetadataStore["load"] = async (uids) => {
    const reads = slices(uids, MAX_READS).map((some) => control.hmget(key, ...some));
    return (await Promise.all(reads)).flat().map((text) => decode(text ?? ""));
  };
  const write = async (writes: readonly MetadataWrite[], isWhole: boolean): Promise<readonly boolean[]> => {
    const args = writes.flatMap(({ uid, before, after }) => [
      uid,
      before.generation,
      after === null ? "" : encode(after),
    ]);
    const codes = await run(control, putMetadata, [key], [isWhole ? "1" : "0", ...args]);
    return (codes as readonly number[]).map((code) => code === 1); // the script's header
  };
  return {
    load,
    async scan(from, count) {
      const [cursor, flat] = await control.hscan(key, from, "COUNT", count);
      const said = flat.flatMap((uid, i) =>
        i % 2 === 0 ? [[uid as InstanceUid, decode(flat[i + 1] ?? "")] as const] : [],
      );
      return { cursor, said: new Map(said) };
    },
    async put(writes) {
      const done: boolean[] = [];
      for (const some of slices(writes, MAX_WRITES)) done.push(...(await write(some, false)));
      if (done.includes(true)) await settle();
      return done;
    },
    async move(from, to) {
      if (from === to) return;
      for (let races = 0; races < MAX_RACES; races++) {
        const [source = NO_METADATA, target = NO_METADATA] = await load([from, to]);
        if (source.generation === 0) return;
        const after = joinMetadata(target, source);
        const writes = [
          { uid: from, before: source, after: null },
          ...(after === target ? [] : [{ uid: to, before: target, after }]),
        ];
        if (!(await write(writes, true)).includes(false)) return await settle();
      }
      throw new Error(`what operators say of agent ${from} was changed by others ${MAX_RACES} times in a row`);
    },
    async remove(uids) {
      if (uids.length === 0) return;
      const counts = await Promise.all(slices(uids, MAX_READS).map((some) => control.hdel(key, ...some)));
      if (counts.some((count) => count > 0)) await settle();
    },
  };
}

function encode({ generation, labels, annotations }: Metadata): string {
  return `${generation}\n${JSON.stringify([labels, annotations])}`;
}

function decode(text: string): Metadata {
  const end = text.indexOf("\n");
  if (end < 0) return NO_METADATA;
  const [labels, annotations] = JSON.parse(text.slice(end + 1)) as readonly [Pairs, Pairs]; // written above
  return { generation: Number(text.slice(0, end)), labels, annotations };
}

function slices<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}
