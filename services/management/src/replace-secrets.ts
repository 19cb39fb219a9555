// Finds secrets in texts that agents sent, and puts `${secret:name}` in their place. Pure; hide-secrets.ts says in which texts.
//
// Not a filter of everything: a value that an agent escaped or encoded in its own way is not found, nor one that is cut in the
// middle of a text. One that is cut at the end is: gateways and records keep words up to a length.

import { MIN_SECRET_CHARS } from "@muster/fleet";

/** Replaces values in a text. */
export type Replace = (text: string) => string;

/** Lines of a longer secret, such as a key, are hidden by themselves from this length on: they may be indented. */
const MIN_LINE_CHARS = 16;
/** What is cut is no longer than this. */
const MAX_CUT_CHARS = 8_192;
/** A cut that shows itself. */
const ELLIPSIS = "…";
/** Characters of a value that are taken for it where a text ends without saying that it is cut. */
const MIN_CUT_CHARS = 8;

/** Replaces every value, and what it comes back as, by its name; the longest that fits. null where there are none. */
export function createReplace(all: readonly { readonly id: string; readonly value: string }[]): Replace | null {
  const names = new Map<string, string>();
  for (const { id, value } of all) for (const form of formsOf(value)) if (!names.has(form)) names.set(form, id);
  if (names.size === 0) return null;
  const forms = [...names.keys()].sort((a, b) => b.length - a.length);
  const find = createFind(forms);
  const nameOf = (form: string): string => `\${secret:${names.get(form)}}`;
  return (text) => {
    const parts: string[] = [];
    let at = 0;
    for (let found = find(text, 0); found !== null; found = find(text, at)) {
      parts.push(text.slice(at, found.at), nameOf(found.form));
      at = found.at + found.form.length;
    }
    const rest = text.slice(at);
    const cut = rest.length > MAX_CUT_CHARS ? null : findCut(rest, forms);
    if (cut !== null) parts.push(rest.slice(0, cut.at), nameOf(cut.form), rest.slice(cut.end));
    else if (at > 0) parts.push(rest);
    return parts.length === 0 ? text : parts.join("");
  };
}

/** A value as it may come back: as it is, quoted as JSON and YAML do, as Collectors are told it, and its longer lines. */
function formsOf(value: string): readonly string[] {
  const lines = value.includes("\n") ? value.split("\n").map((line) => line.trim()) : [];
  const told = [value, value.trim(), value.replaceAll("$", "$$$$")];
  const forms = told.flatMap((text) => [text, JSON.stringify(text).slice(1, -1), text.replaceAll("'", "''")]);
  return [
    // A shorter one would be found in texts that have nothing to do with it.
    ...forms.filter((form) => form.trim().length >= MIN_SECRET_CHARS),
    ...lines.filter(({ length }) => length >= MIN_LINE_CHARS),
  ];
}

interface Found {
  readonly form: string;
  readonly at: number;
}

/** Finds the next form from a place on; in a time that does not grow with their number. */
function createFind(longestFirst: readonly string[]): (text: string, from: number) => Found | null {
  const byStart = Map.groupBy(longestFirst, (form) => form.slice(0, MIN_SECRET_CHARS));
  const isFirst = new Uint8Array(0x1_0000);
  for (const form of longestFirst) isFirst[form.charCodeAt(0)] = 1;
  return (text, from) => {
    for (let at = from; at + MIN_SECRET_CHARS <= text.length; at++) {
      if (isFirst[text.charCodeAt(at)] === 0) continue;
      const form = byStart.get(text.slice(at, at + MIN_SECRET_CHARS))?.find((each) => text.startsWith(each, at));
      if (form !== undefined) return { form, at };
    }
    return null;
  };
}

/** The form that a text ends in the middle of. */
function findCut(text: string, longestFirst: readonly string[]): (Found & { readonly end: number }) | null {
  const [end, least] = text.endsWith(ELLIPSIS)
    ? [text.length - ELLIPSIS.length, MIN_SECRET_CHARS]
    : [text.length, MIN_CUT_CHARS];
  for (const form of longestFirst) {
    const start = form.slice(0, least);
    let at = text.indexOf(start, Math.max(0, end - form.length + 1));
    for (; at >= 0 && end - at >= least; at = text.indexOf(start, at + 1)) {
      if (form.startsWith(text.slice(at, end))) return { form, at, end };
    }
  }
  return null;
}
