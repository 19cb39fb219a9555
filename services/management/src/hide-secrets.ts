// Hides secrets in what agents say: an effective config, an error, a log line that comes back may hold the value that was put
// into the agent's config, and is answered with `${secret:name}` in its place. Wraps whole services, so that no answer is left
// out, nor an error: one may repeat what an agent said. Where there are no secrets it costs one look a second.
// How they are found is replace-secrets.ts.

import type { DescService } from "@bufbuild/protobuf";
import { FleetError } from "@muster/fleet";
import type { Secrets } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { createReplace, type Replace } from "./replace-secrets.ts";

/** What it reads. */
export interface HideDeps {
  readonly secrets: Pick<Secrets, "openAll" | "changeCount">;
  readonly nowMs: () => number;
}

/** Hides what is in an answer. */
export type Hide = <Answer>(answer: Answer) => Promise<Answer>;

/** How long what is known of secrets counts. */
const FRESH_MS = 1_000;
/** Fields of answers that hold what agents said, or files that they told; everything below them, too. */
const WORDS: ReadonlySet<string> = new Set([
  "errorMessage",
  "lastError",
  "status",
  "message",
  "summary",
  "inputs",
  "attributes",
  "offered",
  "effective",
  "body",
  "data",
  "unrecognized",
]);

/** Prepares hiding. Looks again for secrets when it is asked and what it knows is not fresh. */
export function createHide({ secrets, nowMs }: HideDeps): Hide {
  let known: { readonly count: number; readonly replace: Replace | null } = { count: 0, replace: null };
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  async function replacement(): Promise<Replace | null> {
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
      return Symbol.asyncIterator in answer ? hideEach(answer, hide) : answer.then(hide, rethrowing(hide));
    };
    return [name, hiding];
  });
  return Object.fromEntries(wrapped) as MethodsOf<S>; // the same names, and what they answer has the same shape
}

async function* hideEach(answers: AsyncIterable<unknown>, hide: Hide): AsyncIterable<unknown> {
  try {
    for await (const answer of answers) yield await hide(answer);
  } catch (error) {
    await rethrowing(hide)(error);
  }
}

/** Throws an error on, with what it says and without the secrets in it. */
function rethrowing(hide: Hide): (error: unknown) => Promise<never> {
  return async (error) => {
    if (!(error instanceof FleetError)) throw error;
    const { code, message, reason, details, violations, cause } = error;
    const said = await hide({ message, inputs: { details, violations } });
    throw said.message === message && said.inputs.details === details && said.inputs.violations === violations
      ? error
      : new FleetError(code, said.message, { reason, ...said.inputs, cause });
  };
}

/** A copy where anything is to be hidden, else the value itself. */
function hidden(value: unknown, replace: Replace, isWords: boolean): unknown {
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

function hiddenItems(items: readonly unknown[], replace: Replace, isWords: boolean): readonly unknown[] {
  const next = items.map((item) => hidden(item, replace, isWords));
  return next.every((item, i) => item === items[i]) ? items : next;
}

/** What holds none is left as it is, byte by byte, text or not. */
function hiddenBytes(bytes: Uint8Array, replace: Replace): Uint8Array {
  const text = Buffer.from(bytes).toString("utf8");
  const next = replace(text);
  if (next === text) return bytes;
  return new Uint8Array(Buffer.from(next));
}
