// What is offered to one agent beside its config: connection settings and packages. Control state: on disk before it
// is answered, sealed because it holds credentials. The store does not know what the bodies mean.

import type { InstanceUid, SettingsKind } from "@muster/fleet";
import type { Redis } from "ioredis";
import { moveSettings } from "./gen/scripts.ts";
import { controlKeys } from "./keys.ts";
import { run } from "./redis.ts";
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
  /** Offers settings instead of those before. */
  put(
    uid: InstanceUid,
    kind: SettingsKind,
    settings: Pick<SettingsRecord, "hash" | "body">,
    nowMs: number,
  ): Promise<void>;
  /** Offers nothing of a kind any more. Answers whether something was. */
  withdraw(uid: InstanceUid, kind: SettingsKind): Promise<boolean>;
  /** Offers nothing of any kind any more to agents that are forgotten. */
  remove(uids: readonly InstanceUid[]): Promise<void>;
  /** What is offered; null where nothing is. */
  load(uid: InstanceUid): Promise<Readonly<Record<SettingsKind, SettingsRecord | null>>>;
  /** What was offered to `from` is offered to `to`, except where `to` has settings of its own. */
  move(from: InstanceUid, to: InstanceUid): Promise<void>;
}

const KINDS = ["connection", "packages"] as const satisfies readonly SettingsKind[];
/** Milliseconds since 1970 as a double, then the hash's length and the hash, then the body. */
const HEAD_BYTES = 12;

/** @param secret the installation's 32-byte key · @param settle resolves when what was written is on disk */
export function createSettings(control: Redis, secret: Uint8Array, settle: () => Promise<void>): Settings {
  const seal = createSeal(secret, "settings seal");
  return {
    async put(uid, kind, { hash, body }, nowMs) {
      await control.hset(controlKeys.settings(uid), kind, seal.close(encode({ hash, setAtMs: nowMs, body })));
      await settle();
    },
    async withdraw(uid, kind) {
      const count = await control.hdel(controlKeys.settings(uid), kind);
      await settle();
      return count === 1;
    },
    async remove(uids) {
      const counts = await Promise.all(uids.map((uid) => control.del(controlKeys.settings(uid))));
      if (counts.some((count) => count > 0)) await settle();
    },
    async load(uid) {
      const [connection = null, packages = null] = await control.hmgetBuffer(controlKeys.settings(uid), ...KINDS);
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
