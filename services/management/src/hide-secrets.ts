// Hides secrets in what agents say: an effective config, an error, a log line that comes back may hold the value that was put
// into the agent's config, and is answered with `${secret:name}` in its place. Wraps whole services, so that no answer is left
// out. Where there are no secrets it costs one look a second.
//
// Not a filter of everything: a value that an agent cut, escaped or encoded in its own way is not found. One that we cut is.

import type { DescService } from "@bufbuild/protobuf";
import type { Secrets } from "@muster/store";
import type { MethodsOf } from "./call.ts";

/** What it reads. */
export interface HideDeps {
  readonly secrets: Pick<Secrets, "openAll" | "changeCount">;
  readonly nowMs: () => number;
}

/** Hides what is in an answer. */
export type Hide = <Answer>(answer: Answer) => Promise<Answer>;

/** How long what is known of secrets counts. */
const FRESH_MS = 1_000;
/** Lines of a longer secret, such as a key, are hidden by themselves from this length on: they may be indented. */
const MIN_LINE_CHARS = 16;
/** Fields of answers that hold what agents said, or files that they told; everything below them, too. */
const WORDS: ReadonlySet<string> = new Set([
  "errorMessage",
  "lastError",
  "status",
  "message",
  "summary",
  "inputs",
  "body",
  "data",
  "unrecognized",
  "offered",
  "effective",
]);

/** Replaces values in a text; null while there are none. */
type Replace = ((text: string) => string) | null;

/** Prepares hiding. Looks again for secrets when it is asked and what it knows is not fresh. */
export function createHide({ secrets, nowMs }: HideDeps): Hide {
  let known: { readonly count: number; readonly replace: Replace } = { count: 0, replace: null };
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  async function replacement(): Promise<Replace> {
    if (nowMs() - lookedAtMs < FRESH_MS) return known.replace;
    const count = await secrets.changeCount();
    if (count !== known.count) known = { count, replace: createReplace(await secrets.openAll()) };
    lookedAtMs = nowMs();
    return known.replace;
  }
  return async (answer) => {
    const replace = await replacement();
    return replace === null ? answer : (hidden(answer, replace, false) as typeof answer); // of the same shape
  };
}

/** The methods of a service, with secrets hidden in whatever they answer. */
export function hidingSecrets<S extends DescService>(methods: MethodsOf<S>, hide: Hide): MethodsOf<S> {
  type Method = (...given: readonly unknown[]) => Promise<unknown> | AsyncIterable<unknown>;
  const wrapped = Object.entries(methods as Readonly<Record<string, Method>>).map(([name, method]) => {
    const hiding: Method = (...given) => {
      const answer = method(...given);
      return Symbol.asyncIterator in answer ? hideEach(answer, hide) : answer.then(hide);
    };
    return [name, hiding];
  });
  return Object.fromEntries(wrapped) as MethodsOf<S>; // the same names, and what they answer has the same shape
}

async function* hideEach(answers: AsyncIterable<unknown>, hide: Hide): AsyncIterable<unknown> {
  for await (const answer of answers) yield await hide(answer);
}

/** Replaces every value, and what is left of it as JSON or line by line, by its name; the longest that fits. */
export function createReplace(all: readonly { readonly id: string; readonly value: string }[]): Replace {
  const names = new Map<string, string>();
  for (const { id, value } of all) {
    const lines = value.includes("\n") ? value.split("\n").map((line) => line.trim()) : [];
    const forms = [value, value.trim(), JSON.stringify(value).slice(1, -1), value.replaceAll("$", "$$$$")];
    const kept = [
      ...forms.filter((form) => form.length > 0),
      ...lines.filter(({ length }) => length >= MIN_LINE_CHARS),
    ];
    for (const form of kept) if (!names.has(form)) names.set(form, id);
  }
  if (names.size === 0) return null;
  const longestFirst = [...names.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(
    longestFirst.map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"),
    "g",
  );
  return (text) => {
    const whole = text.replaceAll(pattern, (found) => `\${secret:${names.get(found)}}`);
    return whole.endsWith(CUT) ? withoutBeginning(whole, names) : whole;
  };
}

/** How texts end that we cut ourselves. */
const CUT = "…";
/** Fewer characters are no beginning of a secret that would help anybody. */
const MIN_BEGINNING = 4;

/** A text that was cut, without the beginning of a secret at its end. */
function withoutBeginning(text: string, names: ReadonlyMap<string, string>): string {
  const kept = text.slice(0, -CUT.length);
  for (const [form, name] of names) {
    for (let length = Math.min(form.length - 1, kept.length); length >= MIN_BEGINNING; length--) {
      if (kept.endsWith(form.slice(0, length))) return `${kept.slice(0, -length)}\${secret:${name}}${CUT}`;
    }
  }
  return text;
}

/** A copy where anything is to be hidden, else the value itself. */
function hidden(value: unknown, replace: NonNullable<Replace>, isWords: boolean): unknown {
  if (typeof value === "string") return isWords ? replace(value) : value;
  if (value instanceof Uint8Array) return isWords ? hiddenBytes(value, replace) : value;
  if (Array.isArray(value)) return hiddenItems(value, replace, isWords);
  if (typeof value !== "object" || value === null) return value;
  let copy: Record<string, unknown> | null = null;
  for (const [name, part] of Object.entries(value)) {
    const next = hidden(part, replace, isWords || WORDS.has(name));
    if (next === part) continue;
    copy ??= Object.assign(Object.create(Object.getPrototypeOf(value)), value) as Record<string, unknown>; // a message's copy
    copy[name] = next;
  }
  return copy ?? value;
}

function hiddenItems(items: readonly unknown[], replace: NonNullable<Replace>, isWords: boolean): readonly unknown[] {
  const next = items.map((item) => hidden(item, replace, isWords));
  return next.every((item, i) => item === items[i]) ? items : next;
}

/** What holds none is left as it is, byte by byte, text or not. */
function hiddenBytes(bytes: Uint8Array, replace: NonNullable<Replace>): Uint8Array {
  const text = Buffer.from(bytes).toString("utf8");
  const next = replace(text);
  if (next === text) return bytes;
  return new Uint8Array(Buffer.from(next));
}
