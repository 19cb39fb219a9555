// Around every method that changes something: a repeat with the same request id is answered as the first time, and the audit
// says who did what. The methods inside know neither. Which methods these are, and of what, is mutations.ts.
//
// Invariants
//   W1. An entry is written before the change is tried and completed after it. A refusal takes it away again: nothing changed.
//       A process that dies between leaves it with an unknown outcome. What is done is done, whatever becomes of words about it.
//   W2. Of calls with one request id one works at a time; the others are given its answer. What was refused may be tried again.
//   W3. Of an answer too large to keep it is kept that there is one: the methods that have such answers find by themselves what
//       they did before. That is told once, too.

import { createHash } from "node:crypto";
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { FleetError, type FleetErrorCode } from "@muster/fleet";
import { type Answers, type Audit, type AuditEntry, RENEW_MS, toFleetError } from "@muster/store";
import { auditJson } from "./audit-json.ts";
import type { Call, MethodsOf } from "./call.ts";
import { hashOf } from "./canonical.ts";
import { invalid, parseRequestId } from "./checked.ts";

/** What recording needs. */
export interface RecordDeps {
  readonly audit: Pick<Audit, "begin" | "finish" | "drop">;
  readonly answers: Answers;
  readonly nowMs: () => number;
  /** Ids that sort by time. */
  readonly newEntryId: () => string;
  /** How often a call that is at work says so; default: often enough. */
  readonly renewMs?: number;
}

/** A resource as it is. */
export interface Snapshot {
  readonly desc: DescMessage;
  readonly message: Message;
}

/** How a method changes something. */
export interface Mutation<Request, Answer> {
  /** The resource: `config/demo`. Where the server names it, the answer tells. */
  resource(request: Request, answer?: Answer): string;
  /** Reads the resource, after the change with its answer; undefined where there is none. Absent: there is nothing to read. */
  read?(request: Request, call: Call, answer?: Answer): Promise<Snapshot | undefined>;
}

/** The mutations among the methods of a service. */
export type MutationsOf<S extends DescService> = {
  readonly [Name in keyof S["method"]]?: Mutation<
    MessageShape<S["method"][Name]["input"]>,
    MessageShape<S["method"][Name]["output"]>
  >;
};

/** The methods of a service, recorded where they are mutations. */
export function recorded<S extends DescService>(
  desc: S,
  methods: MethodsOf<S>,
  mutations: MutationsOf<S>,
  deps: RecordDeps,
): MethodsOf<S> {
  const known: Readonly<Record<string, unknown>> = mutations;
  const all = Object.entries(methods).map(([name, run]) => {
    const mutation = known[name] as AnyMutation | undefined; // MutationsOf checked that it fits the method
    const method = desc.methods.find(({ localName }) => localName === name);
    if (mutation === undefined || method === undefined) return [name, run];
    return [name, record(method, run as Run, mutation, deps)]; // only unary methods are mutations
  });
  return Object.fromEntries(all) as MethodsOf<S>; // each as it was, or one that takes and answers the same
}

type Run = (request: Message, call: Call) => Promise<MessageInitShape<DescMessage>>;
type AnyMutation = Mutation<Message, Message>;
type Answering = (request: Message, call: Call) => Promise<Message>;

/** Answers beyond this are not kept (W3). */
const MAX_ANSWER_BYTES = 256 * 1024;

function record(method: DescMethod, run: Run, mutation: AnyMutation, deps: RecordDeps): Answering {
  const answer = async (request: Message, call: Call) => create(method.output, await run(request, call));
  return async (request, call) => {
    const { validateOnly = false, requestId = "" } = request as Message & Common;
    if (validateOnly) return await answer(request, call);
    const work = () => audited(method, answer, mutation, deps, request, call);
    if (parseRequestId(requestId) === "") return await work();
    return await once(method, request, { requestId, work, again: () => answer(request, call) }, deps, call);
  };
}

/** What requests of mutations have in common. */
interface Common {
  readonly validateOnly?: boolean;
  readonly requestId?: string;
}

/** Work that is done once. */
interface Once {
  readonly requestId: string;
  readonly work: () => Promise<Message>;
  /** Finds what was done (W3). */
  readonly again: () => Promise<Message>;
}

/** What is kept of an answer follows the request's print, after one of these. */
const [WHOLE, TOO_LARGE] = [Buffer.from("w"), Buffer.from("l")];

/** Does the work, or answers what came of it before (W2). */
async function once(
  method: DescMethod,
  request: Message,
  { requestId, work, again }: Once,
  { answers, renewMs = RENEW_MS }: RecordDeps,
  { signal }: Call,
): Promise<Message> {
  const name = nameOf(method);
  const print = printOf(method.input, request);
  const claim = await answers.claim(name, requestId, signal);
  switch (claim.kind) {
    case "busy":
      throw new FleetError("conflict", `A call with request_id "${requestId}" is still at work; ask again.`, {
        reason: "REQUEST_AT_WORK",
      });
    case "answered":
      if (!claim.answer.subarray(0, print.length).equals(print)) {
        throw invalid("request_id", `"${requestId}" was used for another request of this method; make up another.`);
      }
      if (claim.answer[print.length] === TOO_LARGE[0]) return await again();
      return fromBinary(method.output, claim.answer.subarray(print.length + 1));
    case "claimed":
      break;
  }
  const { word } = claim;
  const renewing = setInterval(() => {
    answers.renew(name, requestId, word).catch(() => undefined); // the next one may get through
  }, renewMs);
  let message: Message;
  try {
    message = await work();
  } catch (error) {
    await answers.release(name, requestId, word).catch(() => undefined); // the claim ends by itself
    throw error;
  } finally {
    clearInterval(renewing);
  }
  const bytes = toBinary(method.output, message);
  const kept = bytes.byteLength > MAX_ANSWER_BYTES ? [print, TOO_LARGE] : [print, WHOLE, bytes];
  // It is done; who asks again finds it done.
  await answers.keep(name, requestId, word, Buffer.concat(kept)).catch(() => undefined);
  return message;
}

/** The same for equal requests: clients write the entries of maps in any order. */
function printOf(desc: DescMessage, request: Message): Buffer {
  try {
    return hashOf(toJson(desc, request));
  } catch {
    return createHash("sha256").update(toBinary(desc, request)).digest(); // a time or a mask that JSON has no form for
  }
}

/** Does the work between two lines of the audit (W1). */
async function audited(
  method: DescMethod,
  answer: Answering,
  { resource, read }: AnyMutation,
  { audit, nowMs, newEntryId }: RecordDeps,
  request: Message,
  call: Call,
): Promise<Message> {
  const snapshot = async (message?: Message) => textOf(await read?.(request, call, message));
  const entry: AuditEntry = {
    id: newEntryId(),
    atMs: nowMs(),
    user: call.user,
    peer: call.peer,
    callId: call.id,
    requestId: (request as Message & Common).requestId ?? "",
    method: nameOf(method),
    resource: resource(request),
    request: auditJson(method.input, request),
    before: await snapshot(),
    after: "",
    outcome: "unknown",
    error: "",
  };
  await audit.begin(entry);
  let message: Message;
  try {
    message = await answer(request, call);
  } catch (thrown) {
    const { code, message } = toFleetError(thrown);
    // The entry stays as it is when Redis is away; then its outcome is unknown indeed.
    const note = MEANS[code] === "refused" ? audit.drop(entry.id) : audit.finish(failed(entry, message));
    await note.catch(() => undefined);
    throw thrown;
  }
  const after = await snapshot(message).catch(() => ""); // the change may even have made it unreadable
  const done: AuditEntry = { ...entry, resource: resource(request, message), after, outcome: "done" };
  await audit.finish(done).catch(() => undefined); // as above
  return message;
}

/** What an error says of the change: nothing happened, or nobody can tell. */
const MEANS = {
  invalid: "refused",
  not_found: "refused",
  already_exists: "refused",
  conflict: "refused",
  failed_precondition: "refused",
  exhausted: "refused",
  out_of_range: "refused",
  unavailable: "failed",
  internal: "failed",
} as const satisfies Record<FleetErrorCode, "refused" | "failed">;

function failed(entry: AuditEntry, error: string): AuditEntry {
  return { ...entry, outcome: "failed", error };
}

function nameOf({ parent, name }: DescMethod): string {
  return `${parent.name}/${name}`;
}

function textOf(snapshot: Snapshot | undefined): string {
  return snapshot === undefined ? "" : auditJson(snapshot.desc, snapshot.message);
}
