// Section 4.2: who an agent is, and how it comes to be somebody else.

import { type Agent, aDescription } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual, waitFor } from "../check.ts";
import { ensureAsksFullState, ensureAsksNothing, ensureBadRequest, ensureTakenIn } from "../expect.ts";
import { describeAnswer, exchange } from "../link.ts";
import { describe, encodeReport, isSame, newUid, REQUEST_INSTANCE_UID, uidText } from "../wire.ts";

/** An agent that asks for a uid; answers the one it was given. */
export async function askForUid(agent: Agent): Promise<Uint8Array> {
  const reply = await agent.introduce({ flags: REQUEST_INSTANCE_UID });
  ensureTakenIn(reply);
  const given = reply.agentIdentification?.newInstanceUid;
  ensure(given !== undefined, "agent_identification", () => describe(reply));
  return given;
}

export const identity: readonly Case[] = [
  {
    ids: ["R24", "R34", "R57"],
    says: "answers BAD_REQUEST to a uid of another length than 16",
    over: BOTH,
    async run(context) {
      const link = await context.link();
      for (const length of [0, 5, 15, 17, 36]) {
        const body = encodeReport({ instanceUid: new Uint8Array(length).fill(7), sequenceNum: 1n, capabilities: 1n });
        ensureBadRequest(await exchange(link, body, context.target.deadlineMs));
      }
    },
  },
  {
    ids: ["R24"],
    says: "takes any 16 bytes for a uid",
    over: BOTH,
    async run(context) {
      const random = newUid().map((byte, i) => (i < 8 ? byte ^ 0xa5 : byte));
      for (const uid of [random, random.map((byte) => ~byte), newUid()]) {
        const agent = await context.agent({ uid });
        ensureTakenIn(await agent.introduce());
      }
    },
  },
  {
    ids: ["R25"],
    says: "names the agent's uid in replies to all it sends",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      await agent.introduce();
      await agent.report();
      await agent.report({ health: { healthy: true } });
      agent.seq += 5n;
      await agent.report();
      const foreign = agent.link.received.filter(
        ({ message }) => message === null || !isSame(message.instanceUid, agent.uid),
      );
      ensureEqual(foreign.length, 0, "messages for others:");
    },
  },
  {
    ids: ["R25"],
    says: "names nobody else's uid in the answer to a message whose uid is none",
    over: BOTH,
    async run(context) {
      const uid = newUid().subarray(0, 5);
      const body = encodeReport({ instanceUid: uid, sequenceNum: 1n, capabilities: 1n });
      const answer = await exchange(await context.link(), body, context.target.deadlineMs);
      const named = answer.kind === "message" ? answer.message.instanceUid : new Uint8Array();
      ensure(named.length === 0 || isSame(named, uid), "no other uid", () => describeAnswer(answer));
    },
  },
  {
    ids: ["R26"],
    says: "serves two agents on one connection, each under its own uid",
    over: BOTH,
    async run(context) {
      const link = await context.link();
      const [one, two] = [await context.agent({ link }), await context.agent({ link, seq: 40n })];
      for (const agent of [one, two]) ensureTakenIn(await agent.introduce());
      for (const agent of [one, two, two, one]) ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R41"],
    says: "takes nobody's heartbeat for that of another agent on the same connection",
    over: BOTH,
    async run(context) {
      const link = await context.link();
      const one = await context.agent({ link });
      ensureTakenIn(await one.introduce());
      ensureAsksNothing(await one.report());
      // It was never heard of, although its number is the one that the other would send next.
      const two = await context.agent({ link, seq: one.seq });
      ensureAsksFullState(await two.report());
      ensureAsksNothing(await one.report());
    },
  },
  {
    ids: ["R27"],
    says: "gives a uid to an agent that asks, under the uid it asked with",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      const given = await askForUid(agent);
      ensure(!isSame(given, agent.uid), "another uid", "the same");
    },
  },
  {
    ids: ["R27"],
    says: "gives no uid to an agent that does not ask",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      await agent.never((message) => message.agentIdentification !== undefined, "agent_identification", 300);
    },
  },
  {
    ids: ["R28"],
    says: "gives 16 bytes, a UUIDv7, another one to everybody",
    over: BOTH,
    async run(context) {
      const given = [await askForUid(await context.agent()), await askForUid(await context.agent())];
      for (const uid of given) {
        ensureEqual(uid.length, 16, "a uid of bytes:");
        const isVersion7 = (uid[6] ?? 0) >> 4 === 7 && (uid[8] ?? 0) >> 6 === 2;
        ensure(isVersion7, "a UUIDv7", () => uidText(uid));
      }
      ensure(uidText(given[0] ?? newUid()) !== uidText(given[1] ?? newUid()), "two uids", "one");
    },
  },
  {
    ids: ["R30"],
    says: "serves the old uid until the new one is used",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      await askForUid(agent);
      ensureTakenIn(await agent.report());
      ensureTakenIn(await agent.report({ health: { healthy: false } }));
    },
  },
  {
    ids: ["R30"],
    says: "goes on under the new uid: the sequence goes on and nothing is asked",
    over: BOTH,
    async run(context) {
      const agent = await renamed(await context.agent());
      ensureAsksNothing(await agent.report());
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R30"],
    says: "keeps what it knows when the uid changes, under both uids",
    over: BOTH,
    run: keepTheRecord,
  },
  {
    ids: ["R31"],
    says: "tells agents with the same service.instance.id apart",
    over: BOTH,
    async run(context) {
      const description = aDescription({ "service.instance.id": "one-and-the-same" });
      const agents = [await context.agent(), await context.agent()];
      for (const agent of agents) ensureTakenIn(await agent.introduce({ agentDescription: description }));
      for (const agent of agents) ensureAsksNothing(await agent.report());
      const renamedTo = agents
        .flatMap((agent) => agent.messages().map(({ agentIdentification: id }) => id))
        .filter(Boolean);
      ensureEqual(renamedTo.length, 0, "new uids:");
    },
  },
];

/** The agent after it was given a uid and took it. */
async function renamed(agent: Agent): Promise<Agent> {
  agent.uid = await askForUid(agent);
  return agent;
}

async function keepTheRecord(context: Context): Promise<void> {
  const driver = context.driver();
  const agent = await context.agent();
  const before = agent.uidText;
  await renamed(agent);
  await agent.report();
  for (const uid of [agent.uidText, before]) {
    const known = await waitFor(
      async () => {
        const found = await driver.getAgent(uid);
        return found?.uid === agent.uidText && found.attributes["conformance.agent"] === before ? found : null;
      },
      {
        withinMs: context.target.deadlineMs,
        expected: `the record of ${agent.uidText} under ${uid}`,
        seen: () => "another, or one without its description",
      },
    );
    ensure(known.isConnected, "a connected agent", "one that is not");
  }
}
