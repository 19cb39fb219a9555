// Section 4.16: which components an agent can run. What is known of them is in parts.ts.

import { randomBytes } from "node:crypto";
import type { ServerToAgent } from "@muster/protocol/opamp";
import { USUAL } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensureTakenIn } from "../expect.ts";
import { untilSeen } from "../operate.ts";
import { AGENT, type Fields, FLAG } from "../wire.ts";

const CAPABLE = USUAL | AGENT.reportsComponents;
const asks = (message: ServerToAgent): boolean => (message.flags & FLAG.reportComponents) !== 0n;
const ASKED = "the flag ReportAvailableComponents";

const allOf = (hash: Uint8Array): Fields => ({
  availableComponents: { hash, components: { receivers: { subComponentMap: { nop: {} } } } },
});

/** An agent that named the hash, was asked and has told. */
async function told(context: Context, hash: Uint8Array) {
  const agent = await context.agent({ capabilities: CAPABLE });
  ensureTakenIn(await agent.introduce({ availableComponents: { hash } }));
  await agent.until(asks, ASKED);
  ensureTakenIn(await agent.report(allOf(hash)));
  return agent;
}

export const components: readonly Case[] = [
  {
    ids: ["R154"],
    says: "asks for components whose hash it does not know, and then no more",
    over: BOTH,
    async run(context) {
      const agent = await told(context, randomBytes(32));
      await agent.never(asks, ASKED, 600);
    },
  },
  {
    ids: ["R154"],
    says: "does not ask again and again when the agent does not tell",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ capabilities: CAPABLE });
      await agent.introduce({ availableComponents: { hash: randomBytes(32) } });
      await agent.until(asks, ASKED);
      await agent.report();
      await agent.never(asks, ASKED, 600);
    },
  },
  {
    ids: ["R154", "R55"],
    says: "does not ask an agent that does not announce components",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      await agent.introduce({ availableComponents: { hash: randomBytes(32) } });
      await agent.never(asks, ASKED, 600);
    },
  },
  {
    ids: ["R135"],
    says: "knows the components of a second agent with the same hash, whether it asks it or not",
    over: BOTH,
    async run(context) {
      context.driver();
      const hash = randomBytes(32);
      const first = await told(context, hash);
      const look = (known: { components: { components: ReadonlyMap<string, readonly string[]> } | null }) =>
        known.components?.components.get("receivers") ?? [];
      await untilSeen(context, first.uidText, look, ["nop"]);
      const second = await context.agent({ capabilities: CAPABLE });
      await second.introduce({ availableComponents: { hash } });
      const isAsked = await second.until(asks, ASKED, { withinMs: 600 }).catch(() => null);
      if (isAsked !== null) ensureTakenIn(await second.report(allOf(hash)));
      await untilSeen(context, second.uidText, look, ["nop"]);
    },
  },
];
