// Secrets, which configs refer to: control state, written by management only, on disk before it is answered, sealed. Values are
// opened for two purposes alone: a gateway makes an offer of one, and management hides what agents tell of them.

import { FleetError, type SecretId, type SecretPin } from "@muster/fleet";
import type { Redis } from "ioredis";
import { listById } from "./by-id.ts";
import { deleteSecret, putSecret } from "./gen/scripts.ts";
import { controlKeys } from "./keys.ts";
import { run } from "./redis.ts";
import { createSeal } from "./seal.ts";

/** What is known of a secret but for its value. */
export interface SecretHead {
  readonly id: SecretId;
  readonly description: string;
  /** Who set the newest version; "" when nobody said. */
  readonly author: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** A secret as it is kept. */
export interface StoredSecret extends SecretHead {
  /** The newest version, from 1. */
  readonly version: number;
}

/** Secrets. */
export interface Secrets {
  /** Keeps the version after `version`; 0: there is none yet. @throws FleetError `conflict` when the newest is another */
  put(head: SecretHead, version: number, value: string): Promise<StoredSecret>;
  get(id: SecretId): Promise<StoredSecret | undefined>;
  /** Ids above `after`, in order. */
  list(after: string, limit: number): Promise<readonly StoredSecret[]>;
  /** Deletes every version. Who refers to it is not asked. @throws FleetError `conflict` when the newest version is another */
  delete(id: SecretId, version: number): Promise<void>;
  /** A value; undefined when there is no such secret or version. @throws FleetError `internal` when it does not open */
  open(pin: SecretPin): Promise<string | undefined>;
  /** Every value of every version; for hiding them. */
  openAll(): Promise<readonly { readonly id: SecretId; readonly value: string }[]>;
  /** How often secrets changed. */
  changeCount(): Promise<number>;
}

/** Secrets that are listed at a time to open all. */
const PAGE = 500;

/** @param secret the installation's 32-byte key · @param settle resolves when what was written is on disk */
export function createSecrets(control: Redis, secret: Uint8Array, settle: () => Promise<void>): Secrets {
  const seal = createSeal(secret, "secret values seal");
  const keysOf = (id: SecretId) => [controlKeys.secret(id), controlKeys.secrets, controlKeys.secretsVersion];
  /** The name and the version are sealed with the value, so that none can stand in for another. */
  const labelOf = ({ id, version }: SecretPin): string => `${id}\n${version}\n`;
  const opened = (pin: SecretPin, sealed: Buffer): string => {
    const text = seal.open(sealed).toString();
    const label = labelOf(pin);
    if (text.startsWith(label)) return text.slice(label.length);
    throw new FleetError("internal", `version ${pin.version} of secret "${pin.id}" holds another's value`);
  };

  async function get(id: SecretId): Promise<StoredSecret | undefined> {
    const [json, version] = await control.hmget(controlKeys.secret(id), "json", "version");
    if (typeof json !== "string") return undefined;
    return { ...(JSON.parse(json) as SecretHead), version: Number(version) }; // written below
  }

  const list = (after: string, limit: number) => listById(control, controlKeys.secrets, after, limit, get);

  return {
    get,
    list,
    async put(head, version, value) {
      // Those of a secret that was deleted count on.
      const before =
        version === 0 ? Number((await control.hget(controlKeys.secret(head.id), "version")) ?? 0) : version;
      const next = { ...head, version: before + 1 };
      const sealed = seal.close(Buffer.from(labelOf(next) + value));
      const args = [head.id, before, JSON.stringify(head), sealed, version === 0 ? 0 : 1];
      const code = await run(control, putSecret, keysOf(head.id), args);
      if (code !== 1) throw versionConflict(head.id, version, (await get(head.id))?.version ?? 0);
      await settle();
      return next;
    },
    async delete(id, version) {
      const code = await run(control, deleteSecret, keysOf(id), [id, version]);
      if (code !== 1) throw versionConflict(id, version, (await get(id))?.version ?? 0);
      await settle();
    },
    async open(pin) {
      const sealed = await control.hgetBuffer(controlKeys.secret(pin.id), `v${pin.version}`);
      return sealed === null ? undefined : opened(pin, sealed);
    },
    async openAll() {
      const all: { readonly id: SecretId; readonly value: string }[] = [];
      for (let page = await list("", PAGE); page.length > 0; page = await list(page.at(-1)?.id ?? "", PAGE)) {
        const fields = await Promise.all(page.map(({ id }) => control.hgetallBuffer(controlKeys.secret(id))));
        for (const [i, { id }] of page.entries()) {
          for (const [field, sealed] of Object.entries(fields[i] ?? {})) {
            const [, version] = /^v(\d+)$/.exec(field) ?? [];
            if (version !== undefined) all.push({ id, value: opened({ id, version: Number(version) }, sealed) });
          }
        }
      }
      return all;
    },
    changeCount: async () => Number((await control.get(controlKeys.secretsVersion)) ?? 0),
  };
}

/** The error for a secret that does not exist. */
export function secretNotFound(id: string): FleetError {
  const message = `There is no secret "${id}"; create it first, or list those there are.`;
  return new FleetError("not_found", message, { reason: "SECRET_NOT_FOUND", details: { secret_id: id } });
}

/** The error for a secret whose name is taken. */
export function secretExists(id: SecretId): FleetError {
  const message = `A secret "${id}" exists; choose another name, or set a new version of it.`;
  return new FleetError("already_exists", message, { reason: "SECRET_EXISTS", details: { secret_id: id } });
}

/** The error for a change that rests on another version than the newest one. */
export function versionConflict(id: SecretId, expected: number, version: number): FleetError {
  if (expected === 0) return secretExists(id);
  if (version === 0) return secretNotFound(id);
  const message = `Secret "${id}" is at version ${version}, not ${expected}; look at it again and repeat the change.`;
  const details = { secret_id: id, expected_version: String(expected), version: String(version) };
  return new FleetError("conflict", message, { reason: "VERSION_MISMATCH", details });
}
