// Section 4.1, second half: plain HTTP.

import type { Case, Context } from "../case.ts";
import { ensure, NotApplicable } from "../check.ts";
import { ensureAsksNothing, ensureTakenIn, offersConfig } from "../expect.ts";
import { gzipOf, OPAMP_TYPE, readMessage } from "../http.ts";
import { type Answer, describeAnswer, exchange, type HttpReply } from "../link.ts";
import { encodeReport, isSame, newUid, uidText } from "../wire.ts";
import { reportOf } from "./transport.ts";

const aReport = (uid = newUid()): Uint8Array =>
  encodeReport({ instanceUid: uid, sequenceNum: 0n, capabilities: 1n, agentDescription: {} });

function ensureMessage(http: HttpReply, what: string): void {
  const { message } = readMessage(http);
  const isOne = http.status === 200 && message !== null && message.errorResponse === undefined;
  ensure(isOne, `a ServerToAgent for ${what}`, `HTTP ${http.status}`);
}

function ensureStatus(http: HttpReply, status: number): void {
  ensure(http.status === status, `HTTP ${status}`, `HTTP ${http.status}`);
}

export const plainHttp: readonly Case[] = [
  {
    ids: ["R4"],
    says: "takes the content type in any case and with parameters",
    over: ["http"],
    async run(context) {
      const client = context.http();
      for (const type of [OPAMP_TYPE, "Application/X-Protobuf", `${OPAMP_TYPE}; charset=utf-8`]) {
        ensureMessage(await client.request({ headers: { "content-type": type }, body: aReport() }), type);
      }
    },
  },
  {
    ids: ["R4"],
    says: "takes no other content type for plain HTTP",
    over: ["http"],
    async run(context) {
      const client = context.http({ keepsAlive: false });
      const http = await client.request({ headers: { "content-type": "application/json" }, body: aReport() });
      ensure(http.status >= 400 && http.status < 500, "a 4xx status", `HTTP ${http.status}`);
    },
  },
  {
    ids: ["R15"],
    says: "reads bodies that are gzipped, whatever the case of the word, and bodies that are not",
    over: ["http"],
    async run(context) {
      const client = context.http();
      for (const encoding of ["gzip", "GZIP", "identity"]) {
        const body = encoding === "identity" ? aReport() : await gzipOf(aReport());
        const headers = { "content-type": OPAMP_TYPE, "content-encoding": encoding };
        ensureMessage(await client.request({ headers, body }), encoding);
      }
    },
  },
  {
    ids: ["R15"],
    says: "reads bodies that come in chunks",
    over: ["http"],
    async run(context) {
      const headers = { "content-type": OPAMP_TYPE };
      ensureMessage(await context.http().request({ headers, body: aReport(), isChunked: true }), "chunks");
    },
  },
  {
    ids: ["R16"],
    says: "gzips for clients that accept it",
    over: ["http"],
    run: gzipWhereAccepted,
  },
  {
    ids: ["R16"],
    says: "does not gzip for clients that do not accept it",
    over: ["http"],
    async run(context) {
      const client = context.http();
      for (const accepted of ["identity", "gzip;q=0", "gzip; q=0.0, identity", "br"]) {
        const headers = { "content-type": OPAMP_TYPE, "accept-encoding": accepted };
        const http = await client.request({ headers, body: aReport() });
        const encoding = http.headers["content-encoding"] ?? "identity";
        ensure(encoding === "identity", `no gzip for accept-encoding ${accepted}`, encoding);
      }
    },
  },
  {
    ids: ["R17"],
    says: "answers 413 to a body over the limit",
    over: ["http"],
    run: (context) => refuseTooLarge(context, reportOf(context.maxMessageBytes + 1_000), {}),
  },
  {
    ids: ["R17"],
    says: "answers 413 to a body over the limit whose length was not said",
    over: ["http"],
    run: (context) => refuseTooLarge(context, reportOf(context.maxMessageBytes + 1_000), { isChunked: true }),
  },
  {
    ids: ["R17"],
    says: "answers 413 to a small body that inflates over the limit",
    over: ["http"],
    async run(context) {
      const bomb = await gzipOf(reportOf(context.maxMessageBytes + 1_000));
      await refuseTooLarge(context, bomb, { encoding: "gzip" });
    },
  },
  {
    ids: ["R19"],
    says: "answers every kind of message in its response",
    over: ["http"],
    async run(context) {
      const agent = await context.introduced();
      ensureTakenIn(await agent.report());
      ensureTakenIn(await agent.report({ health: { healthy: false, lastError: "as a try" } }));
      ensureTakenIn(await agent.report({ agentDisconnect: {} }));
    },
  },
  {
    ids: ["R20"],
    says: "keeps an offer until the agent polls",
    over: ["http"],
    async run(context) {
      const driver = context.driver();
      const agent = await context.introduced();
      await driver.offerConfig(agent.uidText, [
        { name: "kept.yaml", contentType: "text/yaml", body: Buffer.from("kept: 1\n") },
      ]);
      await agent.until(offersConfig, "the offer in a response");
    },
  },
  {
    ids: ["R22"],
    says: "knows an agent again on another connection, and two agents on one",
    over: ["http"],
    async run(context) {
      const agent = await context.introduced();
      const again = await context.reconnected(agent);
      ensureAsksNothing(await again.report());
      const other = await context.introduced({ link: agent.link });
      agent.seq = again.seq;
      ensureAsksNothing(await agent.report());
      ensureAsksNothing(await other.report());
    },
  },
  {
    ids: ["R23"],
    says: "takes a report whose header names the same uid",
    over: ["http"],
    async run(context) {
      const uid = newUid();
      const agent = await context.agent({ uid, link: context.polls({ "OpAMP-Instance-UID": uidText(uid) }) });
      ensureTakenIn(await agent.introduce());
    },
  },
  {
    ids: ["R23"],
    says: "refuses a report whose header names another uid",
    over: ["http"],
    async run(context) {
      const claimed = newUid();
      const link = context.polls({ "OpAMP-Instance-UID": uidText(claimed) });
      const answer = await exchange(link, aReport(), context.target.deadlineMs);
      ensure(isRefusal(answer), "an error", () => describeAnswer(answer));
      const isForClaimed = answer.kind === "message" && isSame(answer.message.instanceUid, claimed);
      ensure(!isForClaimed, "nothing for the uid of the header", () => describeAnswer(answer));
    },
  },
];

function isRefusal(answer: Answer): boolean {
  if (answer.kind === "refused") return answer.http.status >= 400 && answer.http.status < 500;
  return answer.kind === "message" && answer.message.errorResponse !== undefined;
}

async function refuseTooLarge(
  context: Context,
  body: Uint8Array,
  { isChunked = false, encoding }: { readonly isChunked?: boolean; readonly encoding?: string },
): Promise<void> {
  const client = context.http({ keepsAlive: false });
  const headers = { "content-type": OPAMP_TYPE, ...(encoding === undefined ? {} : { "content-encoding": encoding }) };
  ensureStatus(await client.request({ headers, body, isChunked }), 413);
}

/** A small reply may not be worth it; a large one is. */
async function gzipWhereAccepted(context: Context): Promise<void> {
  const link = context.polls({ "accept-encoding": "br;q=0.5, gzip" });
  const agent = await context.agent({ link });
  await agent.introduce();
  const isGzip = (): boolean => link.received.at(-1)?.http?.headers["content-encoding"] === "gzip";
  if (isGzip()) return;
  if (context.target.driver === null)
    throw new NotApplicable("needs-driver", "A small reply is not worth it; a driver would have a large one sent.");
  const body = Buffer.from(`a: 1\n# ${"compressible ".repeat(2_000)}\n`);
  await context.driver().offerConfig(agent.uidText, [{ name: "large.yaml", contentType: "text/yaml", body }]);
  await agent.until(offersConfig, "the offer in a response");
  const offer = link.received.findLast(({ message }) => message?.remoteConfig !== undefined);
  const encoding = offer?.http?.headers["content-encoding"] ?? "identity";
  ensure(encoding === "gzip", "a gzipped response of 26 kB", encoding);
}
