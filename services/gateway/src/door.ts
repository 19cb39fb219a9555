// Who may come in, decided on the HTTP request, before any upgrade: how many at once, and who they are. A socket that is
// accepted only to be closed comes back at once (R62), so all of this answers with a status code.
//
// Tokens: agents may be asked for a bearer token (R146). Only SHA-256 digests of tokens are configured; each has a name,
// its identity, and the first identity that reports for a uid owns that uid (R152).

import { createHash } from "node:crypto";
import { createBucket } from "./bucket.ts";

/** What of a request decides. */
export interface Caller {
  /** The Authorization header, or "". */
  readonly authorization: string;
  /** Whether it asks for a WebSocket; else it is one POST on a connection that may be old. */
  readonly isUpgrade: boolean;
}

/** The decision. */
export type Admission =
  | { readonly kind: "admitted"; readonly identity: string }
  | { readonly kind: "unauthorized" }
  /** Come again after that many seconds: 429 for those who are too many, 503 when nobody can be taken. */
  | { readonly kind: "busy"; readonly status: 429 | 503; readonly retryAfterS: number };

/** What it needs. */
export interface DoorDeps {
  /** Identities by the SHA-256 of their token, lower-case hexadecimal; empty: nobody is asked. */
  readonly tokens: ReadonlyMap<string, string>;
  /** WebSockets that may be opened per second; as many again may come in one burst. */
  readonly upgradesPerSecond: number;
  /** WebSockets that may be open. */
  readonly maxConnections: number;
  openConnections(): number;
  /** Without its store a gateway cannot take anybody over; those it has it keeps. */
  isReady(): boolean;
  nowMs(): number;
  /** Jittered: supervisors come back after exactly that long. */
  retryAfterS(): number;
  onRefused(): void;
}

/** Decides. */
export type Door = (caller: Caller) => Admission;

export function createDoor(deps: DoorDeps): Door {
  const takeUpgrade = createBucket(deps.upgradesPerSecond, 2, deps.nowMs);
  return ({ authorization, isUpgrade }) => {
    const status = isUpgrade ? busyStatus(deps, takeUpgrade) : null;
    if (status !== null) {
      deps.onRefused();
      return { kind: "busy", status, retryAfterS: deps.retryAfterS() };
    }
    if (deps.tokens.size === 0) return { kind: "admitted", identity: "" };
    const [, token] = /^bearer +(\S+)$/i.exec(authorization.trim()) ?? [];
    // Looking a digest up tells nothing about the others: guessing one is guessing a token.
    const digest = token === undefined ? "" : createHash("sha256").update(token).digest("hex");
    const identity = deps.tokens.get(digest);
    return identity === undefined ? { kind: "unauthorized" } : { kind: "admitted", identity };
  };
}

function busyStatus(deps: DoorDeps, takeUpgrade: () => boolean): 429 | 503 | null {
  if (!deps.isReady() || deps.openConnections() >= deps.maxConnections) return 503;
  return takeUpgrade() ? null : 429;
}
