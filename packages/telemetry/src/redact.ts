// What a log line may show of the values it was given: secrets are replaced by name at any depth, errors become
// plain data. Pure; called by log.ts for every line. Not a filter of message texts: what is put into a string
// by the caller is the caller's business.

const censored = "[redacted]";
const maxDepth = 6;

/** Names whose values never reach a log, compared without case, `-` and `_`. */
const secretNames: ReadonlySet<string> = new Set([
  "authorization",
  "proxyauthorization",
  "cookie",
  "setcookie",
  "token",
  "accesstoken",
  "bearertoken",
  "password",
  "passphrase",
  "secret",
  "clientsecret",
  "privatekey",
  "encryptionkey",
  "apikey",
]);

/** Whether a field of this name holds a secret: `private_key`, `privateKey` and `Private-Key` all do. */
export function isSecretName(name: string): boolean {
  return secretNames.has(name.replace(/[-_]/g, "").toLowerCase());
}

/** A copy of `fields` that is safe to write: secrets censored, errors and big integers made plain. */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactObject(fields, 0);
}

function redactObject(object: object, depth: number): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(object)) {
    safe[name] = isSecretName(name) && value !== undefined ? censored : redactValue(value, depth + 1);
  }
  return safe;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth > maxDepth) return "[too deep]";
  if (value instanceof Error) return plainError(value, depth);
  if (value instanceof URL) return withoutCredentials(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return redactObject(value, depth);
}

function plainError(error: Error, depth: number): Record<string, unknown> {
  const { code } = error as { code?: unknown }; // Node and our own errors carry one; the type does not say so
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
  };
}

function withoutCredentials(url: URL): string {
  const safe = new URL(url);
  if (safe.username !== "") safe.username = "redacted";
  if (safe.password !== "") safe.password = "redacted";
  return safe.href;
}
