// What calendars, groups and policies have in common: how one is created, replaced, read, listed and deleted. Knows what none of
// them means.

import { FleetError, parseConfigId } from "@muster/fleet";
import { type Documents, etagConflict, type Stored } from "@muster/store";
import { checked } from "./checked.ts";
import { decodePageToken, pageOf, parsePageSize } from "./paging.ts";

/** One kind of document. */
export interface KeptKind<Document> {
  /** What sentences call one: `calendar`. */
  readonly noun: string;
  readonly documents: Documents<Document>;
}

/** Keeps a document under an id that is free. @throws FleetError `already_exists` */
export async function keepNew<Document extends { readonly id: string }>(
  { noun, documents }: KeptKind<Document>,
  document: Document,
  validateOnly: boolean,
): Promise<Stored<Document>> {
  const { id } = document;
  const taken = () => {
    const message = `There is a ${noun} "${id}" already; update it instead.`;
    const reason = `${noun.toUpperCase()}_EXISTS`;
    return new FleetError("already_exists", message, { reason, details: { [`${noun}_id`]: id } });
  };
  if ((await documents.get(id)) !== undefined) throw taken();
  if (validateOnly) return { document, etag: "" };
  try {
    return await documents.put(document, "");
  } catch (error) {
    if (error instanceof FleetError && error.code === "conflict") throw taken();
    throw error;
  }
}

/** Replaces a document; with an etag, only if it is still that. @throws FleetError `not_found`, `conflict` */
export async function keepAgain<Document extends { readonly id: string }>(
  kind: KeptKind<Document>,
  document: Document,
  etag: string,
  validateOnly: boolean,
): Promise<Stored<Document>> {
  const present = await kept(kind, document.id);
  mustBe(kind, document.id, present, etag);
  if (validateOnly) return { document, etag: "" };
  return await kind.documents.put(document, etag === "" ? present.etag : etag);
}

/** A document that must exist. @throws FleetError `not_found` */
export async function kept<Document>({ noun, documents }: KeptKind<Document>, id: string): Promise<Stored<Document>> {
  const stored = await documents.get(id);
  if (stored !== undefined) return stored;
  const shown = id.slice(0, 63);
  const details = { [`${noun}_id`]: shown };
  const reason = `${noun.toUpperCase()}_NOT_FOUND`;
  throw new FleetError("not_found", `There is no ${noun} "${shown}"; list those there are.`, { reason, details });
}

/** A page of all, by id. */
export async function keptPage<Document extends { readonly id: string }>(
  { noun, documents }: KeptKind<Document>,
  request: { readonly pageSize: number; readonly pageToken: string },
): Promise<{ readonly items: readonly Stored<Document>[]; readonly nextPageToken: string }> {
  const list = [noun];
  const { pageSize, after } = checked({
    pageSize: () => parsePageSize(request.pageSize),
    after: () => decodePageToken(list, request.pageToken),
  });
  const rest = (await documents.list()).filter(({ document }) => document.id > after);
  return pageOf(rest, pageSize, list, ({ document }) => document.id);
}

/** Deletes a document; with an etag, only if it is still that. @throws FleetError `not_found`, `conflict` */
export async function dropKept<Document>(
  kind: KeptKind<Document>,
  id: string,
  etag: string,
  validateOnly: boolean,
): Promise<void> {
  const present = await kept(kind, id);
  mustBe(kind, id, present, etag);
  if (validateOnly) return;
  if (!(await kind.documents.delete(id, etag === "" ? undefined : etag))) await kept(kind, id);
}

/** Ids of documents are as those of configs. */
export function parseKeptId(noun: string, text: string): string {
  try {
    return parseConfigId(text);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    throw FleetError.invalid(error.violations.map((each) => ({ ...each, field: `${noun}.${noun}_id` })));
  }
}

function mustBe(
  { noun }: Pick<KeptKind<unknown>, "noun">,
  id: string,
  { etag }: Stored<unknown>,
  expected: string,
): void {
  if (expected !== "" && expected !== etag) throw etagConflict(noun, id, expected, etag);
}
