// Section 4.3, first half: every message gets its answer, and gaps are noticed.

import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual, NotApplicable, waitFor } from "../check.ts";
import { ensureAsksFullState, ensureAsksNothing, ensureTakenIn, untilAsked } from "../expect.ts";
import { exchange } from "../link.ts";
import { asksFullState, describe, encodeReport, lengthDelimited } from "../wire.ts";

export const status: readonly Case[] = [
  {
    ids: ["R33", "R35"],
    says: "answers reports, heartbeats and goodbyes, without error",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      ensureTakenIn(await agent.introduce());
      for (let i = 0; i < 20; i++) ensureTakenIn(await agent.report());
      ensureTakenIn(await agent.report({ health: { healthy: false, lastError: "on purpose" } }));
      ensureTakenIn(await agent.report({ agentDisconnect: {} }));
    },
  },
  {
    ids: ["R37"],
    says: "asks for full state when numbers were skipped",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      ensureTakenIn(await agent.report());
      agent.seq += 3n;
      const reply = await agent.report();
      ensureTakenIn(reply);
      await untilAsked(agent, reply);
    },
  },
  {
    ids: ["R37"],
    says: "asks for full state when numbers go back",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced({ seq: 50n });
      agent.seq = 7n;
      await untilAsked(agent, await agent.report());
    },
  },
  {
    ids: ["R37"],
    says: "asks for nothing while numbers follow each other, and after the full state came",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      for (let i = 0; i < 5; i++) ensureAsksNothing(await agent.report());
      agent.seq += 1n;
      await untilAsked(agent, await agent.report());
      await agent.introduce();
      for (let i = 0; i < 3; i++) ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R37"],
    says: "asks for full state even if the message with the gap is full (--strict)",
    over: BOTH,
    async run(context) {
      if (!context.target.isStrict)
        throw new NotApplicable("needs-setup", "A full report leaves nothing to ask: --strict.");
      const agent = await context.introduced();
      agent.seq += 3n;
      ensureAsksFullState(await agent.introduce());
    },
  },
  {
    ids: ["R38"],
    says: "counts no message that it could not take in",
    over: BOTH,
    run: countWhatWasTakenIn,
  },
  {
    ids: ["R32", "R39"],
    says: "needs no full state from an agent that reconnects and goes on counting",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      ensureAsksNothing(await agent.report());
      await agent.link.close();
      const again = await context.reconnected(agent);
      ensureAsksNothing(await again.report());
      ensureAsksNothing(await again.report());
    },
  },
  {
    ids: ["R39"],
    says: "needs no full state from an agent that goes on at another gateway",
    over: BOTH,
    run: wander,
  },
  {
    ids: ["R40"],
    says: "does not ask again and again when the agent does not answer",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      agent.seq += 9n;
      let asked = 0;
      for (let i = 0; i < 12; i++) asked += asksFullState(await agent.report()) ? 1 : 0;
      ensure(asked <= 3, "at most three requests in a dozen heartbeats", `${asked}`);
    },
  },
  {
    ids: ["R41"],
    says: "asks an agent that it does not know",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ seq: 12n });
      await untilAsked(agent, await agent.report());
    },
  },
  {
    ids: ["R41"],
    says: "asks nothing of a new agent that tells everything",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      ensureAsksNothing(await agent.introduce());
    },
  },
  {
    ids: ["R42"],
    says: "takes full reports under any first number, and when the numbers start again",
    over: BOTH,
    async run(context) {
      for (const seq of [0n, 1n, 2n ** 63n]) {
        const agent = await context.agent({ seq });
        ensureTakenIn(await agent.introduce());
        ensureAsksNothing(await agent.report());
        agent.seq = 0n;
        ensureTakenIn(await agent.introduce());
        ensureAsksNothing(await agent.report());
      }
    },
  },
  {
    ids: ["R43"],
    says: "takes a message with nothing but the uid for a heartbeat",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced({ seq: 5n });
      for (let i = 0; i < 3; i++) ensureAsksNothing(await agent.sendBytes(encodeReport({ instanceUid: agent.uid })));
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R44"],
    says: "answers every copy of a message, and sees no gap in it",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      ensureAsksNothing(await agent.report({ health: { healthy: false, lastError: "said twice" } }));
      ensureAsksNothing(await agent.repeat());
      ensureAsksNothing(await agent.repeat());
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R45"],
    says: "answers messages one by one that did not wait for answers",
    over: ["ws"],
    async run(context) {
      const agent = await context.agent();
      const count = 12;
      await agent.link.send(agent.encode(agent.fullState()));
      for (let i = 1; i < count; i++) {
        agent.seq += 1n;
        await agent.link.send(agent.encode({ health: { healthy: i % 2 === 0 } }));
      }
      await waitFor(() => (agent.messages().length >= count ? true : null), {
        withinMs: context.target.deadlineMs,
        expected: `${count} replies`,
        seen: () => `${agent.messages().length}`,
      });
      for (const message of agent.messages()) ensureAsksNothing(message);
    },
  },
  {
    ids: ["R46"],
    says: "says nothing new to an agent that repeats itself",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      const first = describe(await agent.introduce());
      for (let i = 0; i < 4; i++) ensureEqual(describe(await agent.introduce()), first, "the same reply:");
    },
  },
];

/** A string that is not UTF-8: the uid and the number in such a message cannot be relied on. */
const BROKEN = lengthDelimited(5, lengthDelimited(3, Uint8Array.of(0xff, 0xfe)));

async function countWhatWasTakenIn(context: Context): Promise<void> {
  const agent = await context.introduced();
  ensureAsksNothing(await agent.report());
  const broken = Buffer.concat([agent.encode({}), BROKEN]);
  const answer = await exchange(agent.link, broken, context.target.deadlineMs);
  const isTakenIn = answer.kind === "message" && answer.message.errorResponse === undefined;
  if (isTakenIn) throw new NotApplicable("not-offered", "The server takes in text that is not UTF-8.");
  agent.seq += 1n;
  await untilAsked(agent, await agent.report());
}

async function wander(context: Context): Promise<void> {
  const agent = await context.introduced();
  const second = await context.secondLink();
  await agent.link.close();
  const elsewhere = await context.reconnected(agent, second);
  ensureAsksNothing(await elsewhere.report());
  ensureAsksNothing(await elsewhere.report());
  await second.close();
  const back = await context.reconnected(elsewhere);
  ensureAsksNothing(await back.report());
}
