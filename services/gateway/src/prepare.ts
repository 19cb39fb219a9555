// What must be found out before a message can be taken in: whether the agent that had this uid until now still lives, a
// uid of our making, a signed certificate, actions that wait for an agent that polls. Messages of the same agent on the
// same connection wait meanwhile, in order; nobody else's do. Called by hub.ts.

import type { InstanceUid } from "@muster/fleet";
import type { QueuedAction } from "@muster/store";
import type { Entry, Incoming } from "./hub.ts";
import type { ReportInput } from "./session.ts";
import type { Connection } from "./socket.ts";

/** What it needs of the world. */
export interface PrepareDeps {
  /** Whether a connection carries other agents, too: then its life says nothing about one of them. */
  isShared(connection: Connection): boolean;
  /** Records that an agent is to go on under a new uid; answers the uid that counts. */
  rename(from: InstanceUid): Promise<InstanceUid>;
  /** Signs, or says in a sentence why not. */
  certify(uid: InstanceUid, csr: Uint8Array): Promise<Certified>;
  takeActions(uid: InstanceUid): Promise<readonly QueuedAction[]>;
  nowMs(): number;
}

/** A ConnectionSettingsOffers with the certificate, or why there is none. */
export type Certified =
  | { readonly kind: "signed"; readonly settings: Uint8Array }
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
  if (report.wantsUid && renamedTo(entry) === null) return true;
  return connection === null && entry?.session.kind === "active" && entry.session.hasActions;
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
    const certified = await deps.certify(uid, report.csr);
    if (certified.kind === "refused") return { kind: "reject", sentence: certified.sentence };
    found = { ...found, certificate: certified.settings };
  }
  if (report.wantsUid && renamedTo(entry) === null) found = { ...found, newUid: await deps.rename(uid) };
  if (connection === null && entry?.session.kind === "active" && entry.session.hasActions)
    found = { ...found, ...(await nextAction(entry, deps)) };
  return { kind: "take", found };
}

/** RFC 6455 has no code for it; 1001 is the one for going away. */
const CLOSE_GONE = 1001;

type Contested = Entry & { readonly connection: NonNullable<Entry["connection"]> };

/** A second WebSocket for a uid is usually the agent itself, back from a connection that died without a word (R145). */
function isContested(
  connection: Incoming["connection"],
  entry: Entry | undefined,
  deps: PrepareDeps,
): entry is Contested {
  if (connection === null || entry === undefined || entry.connection === null) return false;
  const isOther = entry.connection !== connection && !entry.connection.isClosed;
  return isOther && !deps.isShared(entry.connection);
}

function renamedTo(entry: Entry | undefined): InstanceUid | null {
  return entry?.session.kind === "active" ? entry.session.renamedTo : null;
}

/** One action with each answer; those that waited too long are not sent any more. */
async function nextAction(entry: Entry, deps: PrepareDeps): Promise<Found> {
  if (entry.actions.length === 0) entry.actions = await deps.takeActions(entry.uid);
  const fresh = entry.actions.filter(({ expiresAtMs }) => deps.nowMs() < expiresAtMs);
  const [action, ...more] = fresh;
  entry.actions = more;
  return { hasMoreActions: more.length > 0, ...(action !== undefined && { action }) };
}
