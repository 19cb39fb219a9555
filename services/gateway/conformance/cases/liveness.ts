// Sections 4.17 and 4.18: who is there, and who is there twice.

import { aDescription } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual, waitFor } from "../check.ts";
import { ensureAsksNothing, ensureTakenIn } from "../expect.ts";
import { listed, untilKnown, untilListed } from "../operate.ts";
import { AGENT, type describe, isSame } from "../wire.ts";

export const liveness: readonly Case[] = [
  {
    ids: ["R134"],
    says: "knows that an agent is gone which said goodbye",
    over: ["ws"],
    run: sayGoodbye,
  },
  {
    ids: ["R137"],
    says: "knows that an agent is gone which said goodbye",
    over: ["http"],
    run: sayGoodbye,
  },
  {
    ids: ["R137"],
    says: "answers a goodbye, and takes the agent back afterwards",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      ensureTakenIn(await agent.report({ agentDisconnect: {} }));
      ensureTakenIn(await agent.report());
    },
  },
  {
    ids: ["R134"],
    says: "knows that all agents of a connection are gone when it is cut",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      const agents = [await context.introduced({ link: socket }), await context.introduced({ link: socket })];
      for (const agent of agents) await untilListed(context, agent);
      socket.cut();
      for (const { uidText } of agents)
        await untilKnown(context, uidText, ({ isConnected }) => !isConnected, "a disconnected agent");
    },
  },
  {
    ids: ["R139"],
    says: "takes an agent for connected that is known by heartbeats alone",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      await agent.report({ agentDisconnect: {} });
      await untilKnown(context, agent.uidText, ({ isConnected }) => !isConnected, "a disconnected agent");
      await agent.report();
      await untilListed(context, agent);
    },
  },
  {
    ids: ["R140"],
    says: "keeps a WebSocket whose agent announces no heartbeats and is silent",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      const agent = await context.introduced({ link: socket });
      const closing = await waitFor(() => socket.closing, { withinMs: 2_500, expected: "", seen: () => "" }).catch(
        () => null,
      );
      ensure(closing === null, "an open connection", `a close with ${closing?.code}`);
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R143"],
    says: "gives a new uid to the second of two living agents with one uid",
    over: ["ws"],
    run: meetTwin,
  },
  {
    ids: ["R145"],
    says: "takes a second connection for a reconnect when the first no longer answers pings",
    over: ["ws"],
    async run(context) {
      const dead = await context.socket({ answersPings: false });
      const agent = await context.introduced({ link: dead });
      const again = await context.reconnected(agent);
      ensureAsksNothing(await again.report());
      await again.never((message) => message.agentIdentification !== undefined, "agent_identification", 500);
    },
  },
  {
    ids: ["R145"],
    says: "takes a second connection for a reconnect when the first was closed or cut",
    over: ["ws"],
    async run(context) {
      let socket = await context.socket();
      let agent = await context.introduced({ link: socket });
      for (const end of ["closed", "cut"]) {
        if (end === "cut") socket.cut();
        else await socket.close();
        socket = await context.socket();
        agent = await context.reconnected(agent, socket);
        ensureAsksNothing(await agent.report());
      }
      const renamed = agent.messages().filter(({ agentIdentification }) => agentIdentification !== undefined);
      ensureEqual(renamed.length, 0, "new uids:");
    },
  },
];

async function sayGoodbye(context: Context): Promise<void> {
  const agent = await listed(context);
  ensureTakenIn(await agent.report({ agentDisconnect: {} }));
  await untilKnown(context, agent.uidText, ({ isConnected }) => !isConnected, "a disconnected agent");
}

async function meetTwin(context: Context): Promise<void> {
  const capabilities = AGENT.reportsStatus | AGENT.reportsHealth;
  const first = await context.introduced({ capabilities });
  const second = await context.agent({ uid: first.uid, capabilities });
  await second.introduce({ agentDescription: aDescription({ "host.name": "another" }) });
  const isRenamed = (message: Parameters<typeof describe>[0]): boolean => message.agentIdentification !== undefined;
  const { agentIdentification } = await second.until(isRenamed, "agent_identification");
  const given = agentIdentification?.newInstanceUid ?? new Uint8Array();
  ensureEqual(given.length, 16, "a uid of bytes:");
  ensure(!isSame(given, first.uid), "another uid", "the same");
  ensureTakenIn(await first.report());
  await first.never(isRenamed, "new uid for the first", 300);
  second.uid = given;
  ensureTakenIn(await second.introduce());
}
