// What is offered to one agent beside its config: connection settings and packages. Control state: on disk before it
// is answered, sealed because it holds credentials. The store does not know what the bodies mean.

import { FleetError, type InstanceUid, type SettingsKind } from "@muster/fleet";
import type { Redis } from "ioredis";
import { ANY, createBatches } from "./batches.ts";
import { changeSettings, loadSettings, moveSettings } from "./gen/scripts.ts";
import { controlKeys } from "./keys.ts";
import { run, runBinary } from "./redis.ts";
import { createSeal, type Seal } from "./seal.ts";

/** Settings of one kind as they are offered. */
export interface SettingsRecord {
  /** Identifies the settings, lower-case hexadecimal. */
  readonly hash: string;
  /** When they were last changed, milliseconds since 1970. */
  readonly setAtMs: number;
  readonly body: Uint8Array;
}

/** Settings of agents. */
export interface Settings {
  /**
   * Offers what `decide` makes of what is offered, which still is offered when that is written; it is asked again when
   * somebody was faster. null: nothing. What it answers as it was given is not written, and what it throws is thrown.
   * @throws FleetError `conflict` when others are always faster
   */
  change<After extends SettingsRecord | null>(
    uid: InstanceUid,
    kind: SettingsKind,
    decide: (before: SettingsRecord | null) => After,
  ): Promise<After>;
  /** Offers nothing of any kind any more to agents that are forgotten. */
  remove(uids: readonly InstanceUid[]): Promise<void>;
  /** What is offered; null where nothing is. */
  load(uid: InstanceUid): Promise<Readonly<Record<SettingsKind, SettingsRecord | null>>>;
  /** What was offered to `from` is offered to `to`, except where `to` has settings of its own. */
  move(from: InstanceUid, to: InstanceUid): Promise<void>;
}

const KINDS = ["connection", "packages"] as const satisfies readonly SettingsKind[];
/** Times that a change is tried again when somebody else was faster. */
const MAX_RACES = 10;
/** Agents of one command. */
const MAX_LOADS = 100;
/** Milliseconds since 1970 as a double, then the hash's length and the hash, then the body. */
const HEAD_BYTES = 12;

/** @param secret the installation's 32-byte key · @param settle resolves when what was written is on disk */
export function createSettings(control: Redis, secret: Uint8Array, settle: () => Promise<void>): Settings {
  const seal = createSeal(secret, "settings seal");
  const load = createBatches(async (_, uids: readonly InstanceUid[]) => {
    const replies = await runBinary(control, loadSettings, uids.map(controlKeys.settings), KINDS);
    return replies as readonly (readonly (Buffer | null)[] | null)[]; // the script's header
  }, MAX_LOADS);
  return {
    async change(uid, kind, decide) {
      const key = controlKeys.settings(uid);
      for (let races = 0; races < MAX_RACES; races++) {
        const sealed = await control.hgetBuffer(key, kind);
        const before = decode(seal, sealed);
        const after = decide(before);
        if (after === before) return after;
        const args = [kind, sealed ?? "", after === null ? "" : seal.close(encode(after))];
        if (Number(await run(control, changeSettings, [key], args)) === 0) continue;
        await settle();
        return after;
      }
      const message = `What is offered to agent ${uid} changes all the time; look again and repeat the change.`;
      throw new FleetError("conflict", message, { reason: "HASH_MISMATCH", details: { instance_uid: uid } });
    },
    async remove(uids) {
      const counts = await Promise.all(uids.map((uid) => control.del(controlKeys.settings(uid))));
      if (counts.some((count) => count > 0)) await settle();
    },
    async load(uid) {
      const reply = await load(ANY, uid);
      if (reply === null) {
        const message = `What is offered to agent ${uid} cannot be read; delete ${controlKeys.settings(uid)} and offer it again.`;
        throw new FleetError("internal", message);
      }
      const [connection = null, packages = null] = reply;
      return { connection: decode(seal, connection), packages: decode(seal, packages) };
    },
    async move(from, to) {
      if (from === to) return;
      const keys = [controlKeys.settings(from), controlKeys.settings(to)];
      if (Number(await run(control, moveSettings, keys, KINDS)) > 0) await settle();
    },
  };
}

function encode({ hash, setAtMs, body }: SettingsRecord): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeDoubleBE(setAtMs, 0);
  head.writeUInt32BE(Buffer.byteLength(hash), 8);
  return Buffer.concat([head, Buffer.from(hash), body]);
}

function decode(seal: Seal, sealed: Buffer | null): SettingsRecord | null {
  if (sealed === null) return null;
  const bytes = seal.open(sealed);
  const end = HEAD_BYTES + bytes.readUInt32BE(8);
  return { hash: bytes.toString("utf8", HEAD_BYTES, end), setAtMs: bytes.readDoubleBE(0), body: bytes.subarray(end) };
}
