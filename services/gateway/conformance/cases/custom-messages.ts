// Section 4.15: messages whose meaning is not OpAMP's.

import type { ServerToAgent } from "@muster/protocol/opamp";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual, NotApplicable } from "../check.ts";
import { ensureAsksNothing, ensureTakenIn, isTaken } from "../expect.ts";
import { listed, untilKnown, untilSeen } from "../operate.ts";

const CAPABILITY = "io.opentelemetry.conformance/1.0";
const REVERSED_DOMAIN = /^[a-z0-9-]+(\.[a-z0-9-]+)+(\.\w[\w-]*)*(\/[\w.+-]+)?$/i;

const isCustom = (message: ServerToAgent): boolean => message.customMessage !== undefined;

/** An agent that lists one capability, known to the server. */
async function capable(context: Context) {
  const agent = await context.agent();
  await agent.introduce({ customCapabilities: { capabilities: [CAPABILITY] } });
  const isThere = (known: { customCapabilities: readonly string[] }): boolean =>
    known.customCapabilities.includes(CAPABILITY);
  await untilKnown(context, agent.uidText, isThere, "an agent with a custom capability");
  return agent;
}

/** The capabilities that the server lists to a new agent, message by message. */
async function listedByServer(context: Context): Promise<readonly (readonly string[])[]> {
  const agent = await context.agent();
  await agent.introduce({ customCapabilities: { capabilities: [CAPABILITY] } });
  for (let i = 0; i < 3; i++) await agent.report();
  const lists = agent
    .messages()
    .flatMap(({ customCapabilities: list }) => (list === undefined ? [] : [list.capabilities]));
  if (lists.length === 0) throw new NotApplicable("not-offered", "The server lists no custom capabilities.");
  return lists;
}

export const customMessages: readonly Case[] = [
  {
    ids: ["R130"],
    says: "does not list the same capabilities again and again",
    over: ["ws"],
    async run(context) {
      const lists = await listedByServer(context);
      const repeated = lists.filter((list, i) => i > 0 && JSON.stringify(list) === JSON.stringify(lists[i - 1]));
      ensureEqual(repeated.length, 0, "repeated lists:");
    },
  },
  {
    ids: ["R131"],
    says: "names capabilities like domains in reverse",
    over: BOTH,
    async run(context) {
      const odd = (await listedByServer(context)).flat().filter((name) => !REVERSED_DOMAIN.test(name));
      ensureEqual(odd, [], "other names");
    },
  },
  {
    ids: ["R132"],
    says: "puts up with messages of a capability that it does not know",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      const customMessage = { capability: "io.example.unheard-of", type: "hello", data: Buffer.from("anybody?") };
      ensureTakenIn(await agent.report({ customMessage }));
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R132", "R55", "R52"],
    says: "sends no message of a capability that the agent does not list",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      const told = context.driver().sendCustomMessage(agent.uidText, CAPABILITY, "hello", Buffer.from("x"));
      if (await isTaken(told)) await agent.never(isCustom, "custom message", 800);
    },
  },
  {
    ids: ["R132"],
    says: "sends a message to an agent that lists its capability, once and as it is",
    over: BOTH,
    async run(context) {
      const agent = await capable(context);
      const data = Uint8Array.of(0, 255, 10);
      await context.driver().sendCustomMessage(agent.uidText, CAPABILITY, "hello", data);
      const { customMessage } = await agent.until(isCustom, "a custom message");
      ensureEqual([customMessage?.capability, customMessage?.type], [CAPABILITY, "hello"], "message");
      ensureEqual(customMessage?.data, data, "data");
      await agent.never(isCustom, "second copy", 500);
    },
  },
  {
    ids: ["R48"],
    says: "knows the messages that an agent sent",
    over: BOTH,
    async run(context) {
      context.driver();
      const agent = await context.agent();
      await agent.introduce({ customCapabilities: { capabilities: [CAPABILITY] } });
      ensureTakenIn(
        await agent.report({ customMessage: { capability: CAPABILITY, type: "t", data: Buffer.from("x") } }),
      );
      await untilSeen(context, agent.uidText, (known) => known.customMessages[0]?.type, "t");
    },
  },
  {
    ids: ["R133"],
    says: "sends several messages one by one, all of them and in order",
    over: BOTH,
    async run(context) {
      const agent = await capable(context);
      const types = ["one", "two", "three"];
      for (const type of types)
        await context.driver().sendCustomMessage(agent.uidText, CAPABILITY, type, Buffer.from(type));
      const got: string[] = [];
      for (const _ of types) got.push((await agent.until(isCustom, "a custom message")).customMessage?.type ?? "");
      ensure(got.join() === types.join(), types.join(), got.join());
    },
  },
];
