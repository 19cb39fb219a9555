// The effective config of an agent: how it is kept, and whether it has what the agent was offered. Pure. It is what came of
// an offer: merged with configs of the agent's own, defaults filled in, secrets redacted. So what was offered must be found
// in it, and need not be all of it (R81).

import type { ConfigFile } from "./config.ts";
import { isConfigMap, mergeFiles } from "./merge.ts";

/** The files of an effective config as they are stored and addressed. */
export function encodeEffective(files: readonly ConfigFile[]): Buffer {
  const content = files.map(({ name, contentType, body }) => [name, contentType, Buffer.from(body).toString("base64")]);
  return Buffer.from(JSON.stringify(content));
}

/** Reads what `encodeEffective` wrote. */
export function decodeEffective(stored: Uint8Array): readonly ConfigFile[] {
  const content = JSON.parse(Buffer.from(stored).toString()) as readonly (readonly [string, string, string])[];
  return content.map(([name, contentType, base64]) => ({ name, contentType, body: Buffer.from(base64, "base64") }));
}

/**
 * Whether an effective config has what was offered. Null where nobody can tell: one of them is no YAML map, or nothing was
 * offered. What only the agent can resolve (`${...}`), and what it redacted, counts as the same.
 */
export function showsConfig(effective: readonly ConfigFile[], offered: readonly ConfigFile[]): boolean | null {
  const [shown, wanted] = [mergeFiles(effective), mergeFiles(offered)];
  if (shown === null || wanted === null || Object.keys(wanted).length === 0) return null;
  return has(shown, wanted);
}

function has(shown: unknown, wanted: unknown): boolean {
  if (isEmpty(wanted)) return typeof shown === "object" || shown === undefined; // null is an object, too
  if (isConfigMap(wanted)) {
    return isConfigMap(shown) && Object.entries(wanted).every(([key, value]) => key in shown && has(shown[key], value));
  }
  if (Array.isArray(wanted)) return Array.isArray(shown) && hasInOrder(shown, wanted);
  return isSameScalar(shown, wanted);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** Whether a list has all of another in its order: agents add extensions and processors of their own. */
function hasInOrder(shown: readonly unknown[], wanted: readonly unknown[]): boolean {
  let at = 0;
  for (const item of shown) if (at < wanted.length && has(item, wanted[at])) at += 1;
  return at === wanted.length;
}

const REDACTED = /^(\[redacted\]|\*+)$/i;

function isSameScalar(shown: unknown, wanted: unknown): boolean {
  const [a, b] = [String(shown), String(wanted)];
  if (REDACTED.test(a) || b.replaceAll("$$", "").includes("${")) return true;
  const plain = b.replaceAll("$$", "$");
  return a === b || a === plain || (a.trim() !== "" && Number(a) === Number(plain));
}
