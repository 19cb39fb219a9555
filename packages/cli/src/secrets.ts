// `muster secrets`: values that configs refer to. A value comes from a file or from standard input, never from the command line,
// where others could read it; and it is never shown.

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { GetSecretResponseSchema, ListSecretsResponseSchema, SecretSchema } from "@muster/protocol/muster/secrets";
import { readInput } from "./document.ts";
import { CommandError } from "./failure.ts";
import type { Session } from "./session.ts";
import { formatPairs, formatTable } from "./table.ts";
import { formatAge, msOf, oneLine } from "./text.ts";

/** Options of `secrets set`. */
export interface SetSecretOptions {
  readonly fromFile: string;
  readonly description?: string;
  readonly validateOnly?: boolean;
}

/** Keeps a secret, or a new version of it. */
export async function setSecret(session: Session, secretId: string, options: SetSecretOptions): Promise<void> {
  const { description, validateOnly = false } = options;
  const value = valueIn(await readInput(session, options.fromFile), options.fromFile);
  const request = { secretId, value, validateOnly, ...(description !== undefined && { description }) };
  const { secret = create(SecretSchema) } = await session.secrets
    .updateSecret(request, session.call)
    .catch((error: unknown) => {
      if (ConnectError.from(error).code !== Code.NotFound) throw error;
      return session.secrets.createSecret(request, session.call);
    });
  const refer = `Configs refer to it as \${secret:${secretId}}`;
  const next = secret.version === 1n ? `${refer}.` : `${refer}; those that do take it with their next revision.`;
  session.show(SecretSchema, secret, () =>
    validateOnly
      ? `Secret ${secretId} could be set; nothing was.\n`
      : `Secret ${secretId} is set, version ${secret.version}. ${next}\n`,
  );
}

/** A text without the line end that editors leave behind it. */
function valueIn(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch {
    throw new CommandError(`${path} is no text; a secret is put into YAML or JSON, so write it as base64 or the like.`);
  }
}

/** Lists every secret. */
export async function listSecrets(session: Session): Promise<void> {
  const listed = create(ListSecretsResponseSchema);
  do {
    const page = await session.secrets.listSecrets({ pageSize: 1_000, pageToken: listed.nextPageToken }, session.call);
    listed.secrets.push(...page.secrets);
    listed.nextPageToken = page.nextPageToken;
  } while (listed.nextPageToken !== "");
  const none = "There is no secret yet. Set one: muster secrets set <name> --from-file <file>\n";
  session.show(ListSecretsResponseSchema, listed, () => {
    if (listed.secrets.length === 0) return none;
    const rows = listed.secrets.map((secret) => [
      secret.secretId,
      String(secret.version),
      formatAge(msOf(secret.updateTime), session.nowMs()),
      secret.author || "-",
      oneLine(secret.description, 60) || "-",
    ]);
    return formatTable(["SECRET", "VERSION", "SET", "BY", "DESCRIPTION"], rows);
  });
}

/** Shows what is known of a secret but for its value. */
export async function getSecret(session: Session, secretId: string): Promise<void> {
  const found = await session.secrets.getSecret({ secretId }, session.call);
  const { secret = create(SecretSchema), configIds } = found;
  session.show(GetSecretResponseSchema, found, () =>
    formatPairs([
      ["secret", secret.secretId],
      ["version", String(secret.version)],
      [
        "set",
        `${formatAge(msOf(secret.updateTime), session.nowMs())}${secret.author === "" ? "" : ` by ${secret.author}`}`,
      ],
      ["description", secret.description || "-"],
      ["in use by", configIds.join(", ") || "-"],
    ]),
  );
}

/** Deletes a secret with all its versions. */
export async function deleteSecret(
  session: Session,
  secretId: string,
  { validateOnly = false }: { readonly validateOnly?: boolean },
): Promise<void> {
  const { secret = create(SecretSchema) } = await session.secrets.deleteSecret(
    { secretId, validateOnly },
    session.call,
  );
  session.show(SecretSchema, secret, () => `Secret ${secretId} ${validateOnly ? "could be" : "is"} deleted.\n`);
}
