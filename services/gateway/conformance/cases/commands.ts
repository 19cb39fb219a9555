// Section 4.14: the one command there is.

import { type Agent, USUAL } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual } from "../check.ts";
import { commands as isCommand, isTaken } from "../expect.ts";
import { listed } from "../operate.ts";
import { AGENT } from "../wire.ts";

const CAPABLE = USUAL | AGENT.acceptsRestart;

async function restarted(context: Context): Promise<Agent> {
  const agent = await listed(context, CAPABLE);
  await context.driver().restart(agent.uidText);
  return agent;
}

/** An agent that has its command. */
async function commanded(context: Context): Promise<Agent> {
  const agent = await restarted(context);
  await agent.until(isCommand, "a command");
  return agent;
}

export const commands: readonly Case[] = [
  {
    ids: ["R128"],
    says: "sends a command with nothing but uid and capabilities",
    over: BOTH,
    async run(context) {
      const agent = await restarted(context);
      const command = await agent.until(isCommand, "a command");
      ensureEqual(command.command?.type, 0, "Restart,");
      const { $typeName: _name, $unknown: unknown, instanceUid: _uid, capabilities: _bits, ...rest } = command;
      const others = Object.entries({ ...rest, command: undefined }).filter(
        ([, value]) => value !== undefined && value !== 0n,
      );
      ensureEqual(
        others.map(([name]) => name),
        [],
        "other fields",
      );
      ensure(unknown === undefined, "no unknown fields", "some");
    },
  },
  {
    ids: ["R129"],
    says: "sends a command once",
    over: BOTH,
    async run(context) {
      const agent = await commanded(context);
      await agent.never(isCommand, "second command", 1_000);
    },
  },
  {
    ids: ["R129", "R44"],
    says: "sends no second command to a message that comes again",
    over: ["http"],
    async run(context) {
      const agent = await listed(context, CAPABLE);
      await context.driver().restart(agent.uidText);
      const isIn = async (): Promise<boolean> => isCommand(await agent.report());
      for (let tries = 0; tries < 100 && !(await isIn()); tries++);
      ensure(agent.messages().some(isCommand), "a command", "none");
      ensure(!isCommand(await agent.repeat()), "no command to a copy", "one");
    },
  },
  {
    ids: ["R129"],
    says: "sends no command again after a reconnect",
    over: BOTH,
    async run(context) {
      const agent = await commanded(context);
      const again = await context.restarted(agent);
      await again.introduce();
      await again.never(isCommand, "second command", 800);
    },
  },
  {
    ids: ["R129", "R52", "R55"],
    says: "commands no agent that does not accept it",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      if (await isTaken(context.driver().restart(agent.uidText))) await agent.never(isCommand, "command", 800);
    },
  },
];
