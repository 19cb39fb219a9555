// SecretService: keeps secrets that configs refer to, and never answers a value.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ConfigId,
  FleetError,
  MAX_SECRET_BYTES,
  MIN_SECRET_CHARS,
  parseSecretId,
  type SecretId,
} from "@muster/fleet";
import type {
  CreateSecretRequest,
  DeleteSecretRequest,
  SecretSchema,
  SecretService,
  UpdateSecretRequest,
} from "@muster/protocol/muster/secrets";
import { type Secrets, type StoredSecret, secretExists, secretNotFound, versionConflict } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { checked, invalid, parseCount, parseRequestId, parseText } from "./checked.ts";
import { decodePageToken, pageOf, parsePageSize } from "./paging.ts";
import { configsWithSecret, type SecretUseDeps } from "./secret-uses.ts";

/** What this service writes and reads. */
export interface SecretDeps extends SecretUseDeps {
  readonly secrets: Secrets;
  readonly nowMs: () => number;
}

const MAX_DESCRIPTION_CHARS = 1_000;

/** The methods of SecretService. */
export function createSecretService(deps: SecretDeps): MethodsOf<typeof SecretService> {
  const { secrets } = deps;
  return {
    createSecret: async (request, { user }) => ({ secret: toSecret(await create(deps, request, user)) }),
    updateSecret: async (request, { user }) => ({ secret: toSecret(await update(deps, request, user)) }),
    deleteSecret: async (request) => ({ secret: toSecret(await remove(deps, request)) }),
    async getSecret(request) {
      const secret = await existing(secrets, parseSecretId(request.secretId));
      return { secret: toSecret(secret), configIds: [...(await configsWithSecret(deps, secret.id))] };
    },
    async listSecrets(request) {
      const list = ["secrets"];
      const { pageSize, after } = checked({
        pageSize: () => parsePageSize(request.pageSize),
        after: () => decodePageToken(list, request.pageToken),
      });
      const page = pageOf(await secrets.list(after, pageSize + 1), pageSize, list, ({ id }) => id);
      return { secrets: page.items.map(toSecret), nextPageToken: page.nextPageToken };
    },
  };
}

async function existing(secrets: Secrets, id: SecretId): Promise<StoredSecret> {
  const stored = await secrets.get(id);
  if (stored === undefined) throw secretNotFound(id);
  return stored;
}

async function create(
  { secrets, nowMs }: SecretDeps,
  request: CreateSecretRequest,
  author: string,
): Promise<StoredSecret> {
  const { id, value, description } = checked({
    id: () => parseSecretId(request.secretId),
    value: () => parseValue(request.value),
    description: () => parseText("description", request.description, MAX_DESCRIPTION_CHARS),
    requestId: () => parseRequestId(request.requestId),
  });
  const head = { id, description, author, createdAtMs: nowMs(), updatedAtMs: nowMs() };
  if (!request.validateOnly) return await secrets.put(head, 0, value);
  if ((await secrets.get(id)) !== undefined) throw secretExists(id);
  return { ...head, version: 1 };
}

async function update(
  { secrets, nowMs }: SecretDeps,
  request: UpdateSecretRequest,
  author: string,
): Promise<StoredSecret> {
  const { id, value, description, expected } = checked({
    id: () => parseSecretId(request.secretId),
    value: () => parseValue(request.value),
    description: () => parseText("description", request.description ?? "", MAX_DESCRIPTION_CHARS),
    expected: () => parseCount("expected_version", request.expectedVersion),
    requestId: () => parseRequestId(request.requestId),
  });
  const { version, ...before } = await existing(secrets, id);
  mustBe(id, expected, version);
  const changed = { author, updatedAtMs: nowMs(), ...(request.description !== undefined && { description }) };
  const head = { ...before, ...changed };
  return request.validateOnly ? { ...head, version: version + 1 } : await secrets.put(head, version, value);
}

async function remove(deps: SecretDeps, request: DeleteSecretRequest): Promise<StoredSecret> {
  const { id, expected } = checked({
    id: () => parseSecretId(request.secretId),
    expected: () => parseCount("expected_version", request.expectedVersion),
    requestId: () => parseRequestId(request.requestId),
  });
  const stored = await existing(deps.secrets, id);
  mustBe(id, expected, stored.version);
  const configs = await configsWithSecret(deps, id);
  if (configs.length > 0) throw secretInUse(id, configs);
  if (!request.validateOnly) await deps.secrets.delete(id, stored.version);
  return stored;
}

function mustBe(id: SecretId, expected: number, version: number): void {
  if (expected !== 0 && expected !== version) throw versionConflict(id, expected, version);
}

/** Whatever is wrong with a value, the value itself is in no sentence about it. */
function parseValue(value: string): string {
  if (value.trim().length < MIN_SECRET_CHARS) {
    const description = `has fewer than ${MIN_SECRET_CHARS} characters, but for space around them; it could not be hidden where it comes back.`;
    throw invalid("value", description);
  }
  const bytes = Buffer.byteLength(value);
  if (bytes > MAX_SECRET_BYTES)
    throw invalid("value", `${bytes} bytes are more than the ${MAX_SECRET_BYTES} it may have.`);
  return value;
}

function secretInUse(id: SecretId, configs: readonly ConfigId[]): FleetError {
  const message = `Secret "${id}" is referred to by ${configs.slice(0, 5).join(", ")}; roll out revisions that do without it first.`;
  const details = { secret_id: id, config_ids: configs.slice(0, 20).join(",") };
  return new FleetError("failed_precondition", message, { reason: "SECRET_IN_USE", details });
}

function toSecret(secret: StoredSecret): MessageInitShape<typeof SecretSchema> {
  const { id, description, version, author, createdAtMs, updatedAtMs } = secret;
  const times = { createTime: timestampFromMs(createdAtMs), updateTime: timestampFromMs(updatedAtMs) };
  return { secretId: id, description, version: BigInt(version), author, ...times };
}
