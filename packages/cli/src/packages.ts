// `muster packages`: what one agent is to install.

import { create } from "@bufbuild/protobuf";
import {
  OfferedPackagesSchema,
  OfferPackagesRequestSchema,
  WithdrawPackagesResponseSchema,
} from "@muster/protocol/muster/packages";
import { type OfferOptions, offerText } from "./connections.ts";
import { parseDocument, readInput } from "./document.ts";
import { CommandError } from "./failure.ts";
import { formatOffer } from "./offer-text.ts";
import type { Session } from "./session.ts";

/** Offers the packages of a file: `packages:` with each package by its name. */
export async function offerPackages(session: Session, instanceUid: string, options: OfferOptions): Promise<void> {
  const { file, validateOnly = false } = options;
  const text = Buffer.from(await readInput(session, file)).toString();
  const { packages, instanceUid: other, validateOnly: isCheck } = parseDocument(OfferPackagesRequestSchema, text, file);
  if (other !== "" || isCheck) throw new CommandError(`${file}: only packages belong there; the rest is typed.`);
  const request = { instanceUid, packages, validateOnly };
  const { offered = create(OfferedPackagesSchema) } = await session.packages.offerPackages(request, session.call);
  session.show(OfferedPackagesSchema, offered, () => offerText("Packages", instanceUid, offered.hash, validateOnly));
}

/** Shows what is offered. */
export async function showPackages(session: Session, instanceUid: string): Promise<void> {
  const { offered = create(OfferedPackagesSchema) } = await session.packages.getPackages({ instanceUid }, session.call);
  const content = create(OfferPackagesRequestSchema, { packages: offered.packages });
  session.show(OfferedPackagesSchema, offered, () =>
    formatOffer(offered, OfferPackagesRequestSchema, content, "values of headers are left out", session.nowMs()),
  );
}

/** Offers nothing any more. */
export async function withdrawPackages(session: Session, instanceUid: string): Promise<void> {
  const answer = await session.packages.withdrawPackages({ instanceUid }, session.call);
  const text = `No packages are offered to agent ${instanceUid} any more; it keeps what it has.\n`;
  session.show(WithdrawPackagesResponseSchema, answer, () => text);
}
