// Section 4.5: what cannot be understood gets an answer and hurts nobody.

import { Buffer } from "node:buffer";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual, NotApplicable } from "../check.ts";
import { ensureAsksNothing, ensureBadRequest, ensureTakenIn } from "../expect.ts";
import { exchange } from "../link.ts";
import { describe, encodeReport, lengthDelimited, newUid, occurrences } from "../wire.ts";

const uid = newUid();
const valid = encodeReport({ instanceUid: uid, sequenceNum: 1n, capabilities: 1n });

/** Bodies that are no AgentToServer. */
export const MALFORMED: readonly (readonly [name: string, body: Uint8Array])[] = [
  ["a field that ends too early", valid.subarray(0, 10)],
  ["random bytes", Uint8Array.of(0xde, 0xad, 0xbe, 0xef, 0x99)],
  ["a tag alone", Uint8Array.of(0x2a)],
  ["field number 0", Uint8Array.of(0x02, 0x00)],
  ["text that is not UTF-8", Buffer.concat([valid, lengthDelimited(5, lengthDelimited(3, Uint8Array.of(0xff, 0xfe)))])],
  ["a length beyond the end", Buffer.concat([valid, Uint8Array.of(0x1a, 0xff, 0xff, 0xff, 0x7f)])],
];

export const errors: readonly Case[] = [
  {
    ids: ["R57", "R34"],
    says: "answers BAD_REQUEST, with a sentence, to bytes that are no message",
    over: BOTH,
    async run(context) {
      for (const [, body] of MALFORMED) {
        const answer = await exchange(await context.link(), body, context.target.deadlineMs);
        ensureBadRequest(answer);
        ensure(answer.message.errorResponse?.errorMessage !== "", "a sentence", "none");
      }
    },
  },
  {
    ids: ["R57"],
    says: "keeps the connection after a malformed message and serves on",
    over: BOTH,
    async run(context) {
      const link = await context.link();
      const agent = await context.agent({ link });
      ensureTakenIn(await agent.introduce());
      for (const [, body] of MALFORMED.slice(0, 3)) await exchange(link, body, context.target.deadlineMs);
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R57"],
    says: "answers HTTP 200 to what can be decoded and is wrong: clients read the body of no other",
    over: ["http"],
    async run(context) {
      const link = context.polls();
      const nameless = await exchange(link, encodeReport({ sequenceNum: 1n }), context.target.deadlineMs);
      ensureBadRequest(nameless);
      ensureEqual(nameless.received.http?.status, 200, "HTTP");
    },
  },
  {
    ids: ["R58"],
    says: "puts nothing beside error_response but the uid",
    over: BOTH,
    async run(context) {
      for (const { message } of await provokeErrors(context)) {
        const { $typeName: _name, $unknown: unknown, instanceUid: _uid, errorResponse: _error, ...rest } = message;
        const others = Object.entries(rest).filter(([, value]) => value !== undefined && value !== 0n);
        const isAlone = others.length === 0 && unknown === undefined;
        ensure(isAlone, "uid and error_response alone", () => describe(message));
      }
    },
  },
  {
    ids: ["R58"],
    says: "sends one error_response at a time",
    over: BOTH,
    async run(context) {
      for (const { received } of await provokeErrors(context))
        ensureEqual(occurrences(received.body, 2).length, 1, "error_responses:");
    },
  },
];

/** All messages with error_response that can be had. @throws NotApplicable when there are none; R57 is about that */
async function provokeErrors(context: Context) {
  const short = encodeReport({ instanceUid: uid.subarray(0, 4), sequenceNum: 1n, capabilities: 1n });
  const answers = [];
  for (const body of [short, ...MALFORMED.map(([, bytes]) => bytes)]) {
    const answer = await exchange(await context.link(), body, context.target.deadlineMs);
    if (answer.kind === "message" && answer.message.errorResponse !== undefined) answers.push(answer);
  }
  if (answers.length === 0) throw new NotApplicable("not-offered", "The server sends no error_response.");
  return answers;
}
