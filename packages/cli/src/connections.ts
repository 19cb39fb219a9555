// `muster connections`: what one agent is to connect to.

import { create } from "@bufbuild/protobuf";
import {
  ConnectionSettingsSchema,
  OfferedConnectionSettingsSchema,
  WithdrawConnectionSettingsResponseSchema,
} from "@muster/protocol/muster/connections";
import { parseDocument, readInput } from "./document.ts";
import { CommandError } from "./failure.ts";
import { formatOffer } from "./offer-text.ts";
import type { Session } from "./session.ts";
import { shortHash } from "./text.ts";

/** Options of `connections offer` and `packages offer`. */
export interface OfferOptions {
  readonly file: string;
  readonly validateOnly?: boolean;
}

/** Offers the settings of a file. */
export async function offerConnection(session: Session, instanceUid: string, options: OfferOptions): Promise<void> {
  const { file, validateOnly = false } = options;
  const text = Buffer.from(await readInput(session, file)).toString();
  const settings = parseDocument(ConnectionSettingsSchema, text, file);
  const { offered = create(OfferedConnectionSettingsSchema) } = await session.connections
    .offerConnectionSettings({ instanceUid, settings, validateOnly }, session.call)
    .catch((cause: unknown) => {
      const nameOf = (field: string) => field.replace(/^settings\.?/, "") || file;
      throw new CommandError("the settings were refused.", { cause, nameOf });
    });
  session.show(OfferedConnectionSettingsSchema, offered, () =>
    offerText("Connection settings", instanceUid, offered.hash, validateOnly),
  );
}

/** Says what came of an offer. */
export function offerText(what: string, instanceUid: string, hash: string, validateOnly: boolean): string {
  const name = `${what} ${shortHash(hash)}`;
  if (validateOnly) return `${name} could be offered to agent ${instanceUid}; nothing was.\n`;
  return `${name} are offered to agent ${instanceUid}. See what it says of them: muster agents get ${instanceUid}\n`;
}

/** Shows what is offered. */
export async function showConnection(session: Session, instanceUid: string): Promise<void> {
  const { offered = create(OfferedConnectionSettingsSchema) } = await session.connections.getConnectionSettings(
    { instanceUid },
    session.call,
  );
  const settings = offered.settings ?? create(ConnectionSettingsSchema);
  const note = "private keys and values of headers and other settings are left out";
  session.show(OfferedConnectionSettingsSchema, offered, () =>
    formatOffer(offered, ConnectionSettingsSchema, settings, note, session.nowMs()),
  );
}

/** Offers nothing any more. */
export async function withdrawConnection(session: Session, instanceUid: string): Promise<void> {
  const answer = await session.connections.withdrawConnectionSettings({ instanceUid }, session.call);
  const text = `No connection settings are offered to agent ${instanceUid} any more; it keeps what it has.\n`;
  session.show(WithdrawConnectionSettingsResponseSchema, answer, () => text);
}
