// The effective config of an agent as it is kept, and whether it drifted from what the agent should run: the view holds the
// verdict (the fact `config.drift`), config-diff.ts the differences. Pure.

import type { Desired } from "./compose.ts";
import type { ConfigFile } from "./config.ts";
import { hasCapability } from "./facts.ts";
import type { ConfigHash } from "./ids.ts";
import type { AgentView } from "./view.ts";

/** The files of an effective config as they are stored and addressed: a line of JSON that lists them, and their bodies. */
export function encodeEffective(files: readonly ConfigFile[]): Buffer {
  const list = files.map(({ name, contentType, body }): ListedFile => [name, contentType, body.byteLength]);
  return Buffer.concat([Buffer.from(`${JSON.stringify(list)}\n`), ...files.map(({ body }) => body)]);
}

/** A file's name, content type, and how many bytes its body has. */
type ListedFile = readonly [string, string, number];
/** As it was kept by early versions, in JSON alone: the body in base64. */
type InlineFile = readonly [string, string, string];

/** Reads what `encodeEffective` wrote. */
export function decodeEffective(stored: Uint8Array): readonly ConfigFile[] {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const lineEnd = bytes.indexOf("\n");
  let at = lineEnd === -1 ? bytes.byteLength : lineEnd + 1;
  const list = JSON.parse(bytes.toString("utf8", 0, at)) as readonly (ListedFile | InlineFile)[]; // written above
  return list.map(([name, contentType, rest]) => {
    if (typeof rest === "string") return { name, contentType, body: Buffer.from(rest, "base64") };
    at += rest;
    return { name, contentType, body: bytes.subarray(at - rest, at) };
  });
}

/** A config that an agent says it has by now; null where what it shows is not to be compared with any. */
export interface Claim {
  /** null: it tells no status, and is taken to have what it should run. */
  readonly hash: ConfigHash | null;
}

/**
 * Which config the effective config of an agent should show: the one that it says it applied. An agent that tells no status
 * should show what it was last offered. Null while it is at work, failed, or shows nothing.
 */
export function claimOf(view: AgentView): Claim | null {
  const { acknowledgement: ack, effectiveConfig, capabilities } = view;
  if (effectiveConfig === null || capabilities === null) return null;
  const tellsStatus = hasCapability(view, "ReportsRemoteConfig") || (ack !== null && ack.value.state !== "unset");
  if (!tellsStatus) return { hash: view.attempts.at(-1)?.hash ?? null };
  return ack?.value.state === "applied" ? { hash: ack.value.hash } : null;
}

/** Whether an agent claims to have what it should run. */
export function claims(claim: Claim | null, desired: Pick<Desired, "hash"> | null): boolean {
  return claim !== null && desired !== null && (claim.hash === null || claim.hash === desired.hash);
}

/**
 * Whether what an agent shows is to be compared anew: what it claims or shows is another. Where nobody could tell before, it is
 * also tried again when the agent connects, or when somebody asks for it: what it should run may be known by now.
 */
export function mustCompare(before: AgentView, after: AgentView, isAsked: boolean): boolean {
  if (before === after && !isAsked) return false;
  const [old, now] = [claimOf(before), claimOf(after)];
  if (now === null) return after.drift !== null;
  const isOther = old?.hash !== now.hash || before.effectiveConfig?.value.body !== after.effectiveConfig?.value.body;
  return isOther || (after.drift === null && (isAsked || before.connection !== after.connection));
}

/** A view with what came of the comparison. Answers the same object when it says so already. */
export function withDrift(view: AgentView, drift: AgentView["drift"]): AgentView {
  const { drift: before } = view;
  const isSame = before?.hash === drift?.hash && before?.isDrifted === drift?.isDrifted;
  return isSame ? view : { ...view, drift };
}
