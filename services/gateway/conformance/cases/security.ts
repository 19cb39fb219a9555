// Section 4.19: who is let in, and what is not known yet.

import type { RemoteConfigStatuses } from "@muster/protocol/opamp";
import { BOTH, type Case, type Context, describeUpgrade } from "../case.ts";
import { ensure, ensureEqual, NotApplicable } from "../check.ts";
import { ensureAsksNothing, ensureTakenIn } from "../expect.ts";
import { OPAMP_TYPE } from "../http.ts";
import { describeAnswer, exchange } from "../link.ts";
import { untilKnown, untilSeen } from "../operate.ts";
import { AGENT, encodeReport, lengthDelimited, newUid, numeric } from "../wire.ts";

const MARK = "from-the-future";

/** Fields that no specification has yet, of every kind. */
const UNKNOWN_FIELDS = Buffer.concat([
  lengthDelimited(1_000, MARK),
  numeric(1_001, 7n),
  Uint8Array.of(0xd5, 0x3e, 1, 2, 3, 4), // field 1002, 32 bits
]);
/** A health with an unknown field. */
const UNKNOWN_INSIDE = lengthDelimited(5, Buffer.concat([numeric(1, 1), lengthDelimited(900, MARK)]));

export const security: readonly Case[] = [
  {
    ids: ["R146"],
    says: "answers 401 to missing and to wrong credentials",
    over: BOTH,
    run: demandCredentials,
  },
  {
    ids: ["R152"],
    says: "takes no message for an agent that somebody else authenticated for",
    over: BOTH,
    run: bindUids,
  },
  {
    ids: ["R148"],
    says: "takes in a message with fields it does not know",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      ensureTakenIn(await agent.sendBytes(Buffer.concat([UNKNOWN_FIELDS, agent.encode({}), UNKNOWN_INSIDE])));
      agent.seq += 1n;
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R148"],
    says: "takes in a message with values it does not know",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      const status = 99 as RemoteConfigStatuses;
      ensureTakenIn(await agent.report({ remoteConfigStatus: { status, lastRemoteConfigHash: Uint8Array.of(1) } }));
      ensureTakenIn(await agent.report({ flags: 0x8000n }));
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R148", "R36"],
    says: "takes in what it knows beside what it does not",
    over: BOTH,
    async run(context) {
      context.driver();
      const agent = await context.introduced();
      const known = agent.encode({ health: { healthy: false, lastError: "known" } });
      ensureTakenIn(await agent.sendBytes(Buffer.concat([UNKNOWN_FIELDS, known])));
      await untilSeen(context, agent.uidText, ({ health }) => health?.lastError, "known");
    },
  },
  {
    ids: ["R151"],
    says: "keeps fields it does not know, in the message and inside its parts",
    over: BOTH,
    async run(context) {
      context.driver();
      for (const extra of [lengthDelimited(1_000, MARK), UNKNOWN_INSIDE]) {
        const agent = await context.introduced();
        ensureTakenIn(await agent.sendBytes(Buffer.concat([agent.encode({}), extra])));
        const keeps = ({ unrecognized }: { unrecognized: Uint8Array }): boolean =>
          Buffer.from(unrecognized).includes(MARK);
        await untilKnown(context, agent.uidText, keeps, "the unknown field");
      }
    },
  },
  {
    ids: ["R151"],
    says: "keeps values it does not know",
    over: BOTH,
    async run(context) {
      context.driver();
      const agent = await context.introduced();
      const status = 99 as RemoteConfigStatuses;
      ensureTakenIn(await agent.report({ remoteConfigStatus: { status, lastRemoteConfigHash: Buffer.from(MARK) } }));
      const keeps = ({ unrecognized }: { unrecognized: Uint8Array }): boolean =>
        Buffer.from(unrecognized).includes(Buffer.from(numeric(2, 99)));
      await untilKnown(context, agent.uidText, keeps, "the unknown value");
    },
  },
  {
    ids: ["R150"],
    says: "serves an agent that can do nothing but report",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ capabilities: AGENT.reportsStatus });
      ensureTakenIn(await agent.introduce());
      for (let i = 0; i < 3; i++) ensureAsksNothing(await agent.report());
      ensureTakenIn(await agent.report({ agentDisconnect: {} }));
    },
  },
  {
    ids: ["R153"],
    says: "refuses a WebSocket of a web page",
    over: ["ws"],
    async run(context) {
      const upgrade = await context.upgrade({ origin: "https://example.com" });
      const isRefused = upgrade.kind === "refused" && upgrade.status >= 400 && upgrade.status < 500;
      ensure(isRefused, "a 4xx status", () => describeUpgrade(upgrade));
    },
  },
];

async function demandCredentials(context: Context): Promise<void> {
  const names = Object.keys(context.target.headers);
  const credential = names.find((name) => name.toLowerCase() === "authorization");
  if (credential === undefined)
    throw new NotApplicable("needs-setup", "No credentials were given: --header 'Authorization: Bearer …'.");
  for (const headers of [{}, { [credential]: "Bearer wrong" }]) {
    if (context.transport === "ws") {
      const upgrade = await context.upgrade({ headers });
      ensure(upgrade.kind === "refused" && upgrade.status === 401, "HTTP 401", () => describeUpgrade(upgrade));
    } else {
      const client = context.http({ isAnonymous: true, keepsAlive: false });
      const body = encodeReport({ instanceUid: newUid(), capabilities: 1n });
      const http = await client.request({ headers: { "content-type": OPAMP_TYPE, ...headers }, body });
      ensureEqual(http.status, 401, "HTTP");
    }
  }
}

async function bindUids(context: Context): Promise<void> {
  const agent = await context.introduced();
  const stranger = await context.otherIdentity();
  const body = agent.encode({ health: { healthy: false, lastError: "I am somebody else" } });
  const answer = await exchange(stranger, body, context.target.deadlineMs);
  const isRefused =
    answer.kind === "refused" || (answer.kind === "message" && answer.message.errorResponse !== undefined);
  ensure(isRefused || answer.kind === "closed", "an error", () => describeAnswer(answer));
  ensureAsksNothing(await agent.report());
}
