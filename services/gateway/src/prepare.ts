// What must be found out before a message can be taken in: whether the agent that had this uid until now still lives, a
// uid of our making, a signed certificate, actions that wait for an agent that polls. Messages of the same agent on the
// same connection wait meanwhile, in order; nobody else's do. Called by hub.ts.

import type { InstanceUid } from "@muster/fleet";
import type { QueuedAction } from "@muster/store";
import type { Entry } from "./entry.ts";
import type { Incoming } from "./hub.ts";
import type { ReportInput } from "./session.ts";
import type { SettingsOffer } from "./settings.ts";
import type { Connection } from "./socket.ts";

/** What it needs of the world. */
export interface PrepareDeps {
  /** Whether a connection carries other agents, too: then its life says nothing about one of them. */
  isShared(connection: Connection): boolean;
  /** Records that an agent is to go on under a new uid; answers the uid that counts, or null when it is another identity's. */
  rename(from: InstanceUid, identity: string): Promise<InstanceUid | null>;
  /** Signs, or says in a sentence why not. */
  certify(uid: InstanceUid, csr: Uint8Array, authorization: string): Promise<Certified>;
  /** Takes the oldest action that waits; undefined when none does. */
  takeAction(uid: InstanceUid): Promise<QueuedAction | undefined>;
  nowMs(): number;
}

/** A ConnectionSettingsOffers with the certificate, or why there is none. */
export type Certified =
  | { readonly kind: "signed"; readonly settings: SettingsOffer }
  | { readonly kind: "refused"; readonly sentence: string };

/** What was found out. */
export type Verdict =
  | { readonly kind: "take"; readonly found: Found }
  /** Another agent with this uid lives on an older connection. */
  | { readonly kind: "twin" }
  | { readonly kind: "reject"; readonly sentence: string };

/** What goes into the session with the message. */
export type Found = Pick<ReportInput, "newUid" | "certificate" | "action" | "hasMoreActions">;

/** Whether anything has to be found out. */
export function needsPreparation(incoming: Incoming, entry: Entry | undefined, deps: PrepareDeps): boolean {
  const { connection, report } = incoming;
  if (isContested(connection, entry, deps) || report.csr !== null) return true;
  return needsUid(report, entry) || takesAction(connection, entry);
}

/** Finds it out. Rejects when the store is away; the message is then refused. */
export async function prepare(incoming: Incoming, entry: Entry | undefined, deps: PrepareDeps): Promise<Verdict> {
  const { uid, connection, report } = incoming;
  if (isContested(connection, entry, deps)) {
    if (await entry.connection.ping()) return { kind: "twin" };
    // Half-open: its TCP connection would go on for minutes (R142).
    entry.connection.close(CLOSE_GONE, "the agent is back on another connection");
  }
  let found: Found = {};
  if (report.csr !== null) {
    const certified = await deps.certify(uid, report.csr, incoming.authorization);
    if (certified.kind === "refused") return { kind: "reject", sentence: certified.sentence };
    found = { ...found, certificate: certified.settings };
  }
  if (needsUid(report, entry)) {
    const newUid = await deps.rename(uid, incoming.identity);
    if (newUid === null) return { kind: "reject", sentence: FOREIGN };
    found = { ...found, newUid };
  }
  if (takesAction(connection, entry)) found = { ...found, ...(await nextAction(uid, deps)) };
  return { kind: "take", found };
}

/** Told to those who come with a uid that is not theirs. */
export const FOREIGN =
  "This instance_uid belongs to an agent with other credentials; use another uid, or its credentials.";

/** RFC 6455 has no code for it; 1001 is the one for going away. */
const CLOSE_GONE = 1001;

type Contested = Entry & { readonly connection: NonNullable<Entry["connection"]> };

/** Another connection for a uid is usually the agent itself, back from a WebSocket that died without a word (R145). */
function isContested(
  connection: Incoming["connection"],
  entry: Entry | undefined,
  deps: PrepareDeps,
): entry is Contested {
  if (entry === undefined || entry.connection === null) return false;
  const isOther = entry.connection !== connection && !entry.connection.isClosed;
  return isOther && !deps.isShared(entry.connection);
}

/** It asks for a uid and was not given one yet. */
function needsUid(report: Incoming["report"], entry: Entry | undefined): boolean {
  return report.wantsUid && (entry?.session.kind !== "active" || entry.session.renamedTo === null);
}

/** A poll takes one action with its answer; others are sent theirs. */
function takesAction(connection: Incoming["connection"], entry: Entry | undefined): boolean {
  return connection === null && entry?.session.kind === "active" && entry.session.hasActions;
}

/** One action with each answer; those that waited too long are not sent any more. */
export async function nextAction(
  uid: InstanceUid,
  { takeAction, nowMs }: Pick<PrepareDeps, "takeAction" | "nowMs">,
): Promise<Pick<Found, "action" | "hasMoreActions">> {
  for (;;) {
    const action = await takeAction(uid);
    if (action === undefined) return { hasMoreActions: false };
    if (nowMs() < action.expiresAtMs) return { action, hasMoreActions: true };
  }
}
