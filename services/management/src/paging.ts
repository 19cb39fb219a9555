// Pages of lists: how many at once, and opaque tokens that say where to go on. Pure. A token names the list it came
// from (method and filter), so that one list is never continued with another's.

import { createHash } from "node:crypto";
import { invalid } from "./checked.ts";

/** Items of a page when the request does not say. */
export const DEFAULT_PAGE_SIZE = 50;
/** Most items of a page. */
export const MAX_PAGE_SIZE = 1000;

const VERSION = 1;

/** The number of items asked for. @throws FleetError `invalid` */
export function parsePageSize(pageSize: number): number {
  if (pageSize === 0) return DEFAULT_PAGE_SIZE;
  if (pageSize > 0 && pageSize <= MAX_PAGE_SIZE) return pageSize;
  throw invalid("page_size", `${pageSize} is not from 1 to ${MAX_PAGE_SIZE}; leave it out for ${DEFAULT_PAGE_SIZE}.`);
}

/** An opaque token for a place in a list; `list` is what names the list: method and filters. */
export function encodeToken(list: readonly string[], place: unknown): string {
  return Buffer.from(JSON.stringify([VERSION, digest(list), place])).toString("base64url");
}

/** The place that a token names; undefined when there is none. @throws FleetError `invalid` when it is not of this list */
export function decodeToken(field: string, list: readonly string[], token: string): unknown {
  if (token === "") return undefined;
  const [version, of, place] = decode(token);
  if (version !== VERSION || place === undefined)
    throw invalid(field, "is not a token of this server; start without one.");
  if (of !== digest(list)) throw invalid(field, "belongs to another list or selector; start this one without a token.");
  return place;
}

/** The place that a page token names, as text; "" is the beginning. @throws FleetError `invalid` */
export function decodePageToken(list: readonly string[], token: string): string {
  const place = decodeToken("page_token", list, token);
  return typeof place === "string" ? place : "";
}

/** Cuts one item too many off a page; the token leads on after the last one that stays. */
export function pageOf<Item>(
  items: readonly Item[],
  pageSize: number,
  list: readonly string[],
  placeOf: (item: Item) => string,
): { readonly items: readonly Item[]; readonly nextPageToken: string } {
  const last = items[pageSize - 1];
  if (items.length <= pageSize || last === undefined) return { items, nextPageToken: "" };
  return { items: items.slice(0, pageSize), nextPageToken: encodeToken(list, placeOf(last)) };
}

function decode(token: string): readonly unknown[] {
  try {
    const content: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    return Array.isArray(content) ? content : [];
  } catch {
    return [];
  }
}

function digest(list: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(list)).digest("base64url").slice(0, 10);
}
