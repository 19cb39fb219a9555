// Section 4.4: what both sides can do.

import type { ServerToAgent } from "@muster/protocol/opamp";
import { anEffectiveConfig, USUAL } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual, waitFor } from "../check.ts";
import { ensureAsksNothing, ensureTakenIn, isTaken, offersConfig, offersConnections } from "../expect.ts";
import { listed } from "../operate.ts";
import { AGENT, ALL_SERVER_BITS, describe, SERVER } from "../wire.ts";

const CONFIG = [{ name: "c.yaml", contentType: "text/yaml", body: Buffer.from("c: 1\n") }];

/** Bits that no specification names yet. */
const FUTURE_BITS = (1n << 20n) | (1n << 40n) | (1n << 62n);

export const capabilities: readonly Case[] = [
  {
    ids: ["R49", "R149"],
    says: "sets no bit that is not defined",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      await agent.report();
      for (const message of agent.messages()) {
        ensure((message.capabilities & ~ALL_SERVER_BITS) === 0n, "bits 0x7f at most", () => describe(message));
        ensure((message.flags & ~0x3n) === 0n, "flags 0x3 at most", () => describe(message));
      }
    },
  },
  {
    ids: ["R50", "R51"],
    says: "names its capabilities in its first message, AcceptsStatus among them",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      const reply = await agent.introduce();
      ensure((reply.capabilities & SERVER.acceptsStatus) !== 0n, "AcceptsStatus", () => describe(reply));
    },
  },
  {
    ids: ["R50"],
    says: "names its capabilities to every new process of an agent",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      const restarted = await context.restarted(agent);
      const reply = await restarted.introduce();
      ensure(reply.capabilities !== 0n, "capabilities", () => describe(reply));
    },
  },
  {
    ids: ["R52", "R55", "R66", "R150"],
    says: "offers nothing to an agent that is capable of nothing",
    over: BOTH,
    async run(context) {
      for (const capabilities of [AGENT.reportsStatus, 0n]) {
        const agent = await context.introduced({ capabilities });
        await agent.never(isMoreThanReply, "offer, command or request", 300);
      }
    },
  },
  {
    ids: ["R52", "R66"],
    says: "offers no config to an agent that does not accept one, even if it is meant for it",
    over: BOTH,
    async run(context) {
      const driver = context.driver();
      const agent = await context.introduced({ capabilities: USUAL & ~AGENT.acceptsRemoteConfig });
      if (await isTaken(driver.offerConfig(agent.uidText, CONFIG))) await agent.never(offersConfig, "config", 1_200);
    },
  },
  {
    ids: ["R53"],
    says: "offers what was meant for an agent once it accepts it",
    over: BOTH,
    async run(context) {
      const driver = context.driver();
      const agent = await context.introduced({ capabilities: USUAL & ~AGENT.acceptsRemoteConfig });
      await isTaken(driver.offerConfig(agent.uidText, CONFIG));
      agent.capabilities |= AGENT.acceptsRemoteConfig;
      await agent.report();
      if (!agent.messages().some(offersConfig)) await isTaken(driver.offerConfig(agent.uidText, CONFIG));
      await agent.until(offersConfig, "the config", { withinMs: 2 * context.target.deadlineMs });
    },
  },
  {
    ids: ["R53"],
    says: "offers nothing any more once an agent no longer accepts it",
    over: BOTH,
    async run(context) {
      const driver = context.driver();
      const agent = await context.introduced();
      agent.capabilities &= ~AGENT.acceptsRemoteConfig;
      await agent.report();
      if (await isTaken(driver.offerConfig(agent.uidText, CONFIG))) await agent.never(offersConfig, "config", 1_200);
    },
  },
  {
    ids: ["R54"],
    says: "serves agents with bits that it does not know",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ capabilities: USUAL | FUTURE_BITS });
      ensureTakenIn(await agent.introduce());
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R54"],
    says: "keeps bits that it does not know",
    over: BOTH,
    run: keepFutureBits,
  },
  {
    ids: ["R55"],
    says: "takes reports from agents that do not announce them",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ capabilities: AGENT.reportsStatus });
      const liberal = { health: { healthy: true }, packageStatuses: {}, remoteConfigStatus: {} };
      ensureTakenIn(await agent.introduce({ ...liberal, effectiveConfig: anEffectiveConfig("b: 1\n") }));
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R55", "R100"],
    says: "offers the connections that an agent has bits for, and no others",
    over: BOTH,
    run: offerByBits,
  },
  {
    ids: ["R56"],
    says: "offers packages and takes their statuses, or neither",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      const { capabilities: bits } = await agent.introduce();
      const offers = (bits & SERVER.offersPackages) !== 0n;
      const accepts = (bits & SERVER.acceptsPackagesStatus) !== 0n;
      ensureEqual(offers, accepts, "OffersPackages as AcceptsPackagesStatus:");
    },
  },
];

function isMoreThanReply(message: ServerToAgent): boolean {
  const { remoteConfig, connectionSettings, packagesAvailable, command, customMessage, flags } = message;
  const parts = [remoteConfig, connectionSettings, packagesAvailable, command, customMessage];
  return parts.some((part) => part !== undefined) || (flags & 0x2n) !== 0n;
}

async function keepFutureBits(context: Context): Promise<void> {
  const driver = context.driver();
  const wanted = USUAL | FUTURE_BITS;
  const agent = await context.introduced({ capabilities: wanted });
  let seen = 0n;
  await waitFor(
    async () => {
      seen = (await driver.getAgent(agent.uidText))?.capabilities ?? 0n;
      return seen === wanted ? true : null;
    },
    { withinMs: context.target.deadlineMs, expected: `bits ${wanted.toString(16)}`, seen: () => seen.toString(16) },
  );
}

async function offerByBits(context: Context): Promise<void> {
  const driver = context.driver();
  const agent = await listed(context, USUAL | AGENT.reportsOwnMetrics | AGENT.reportsOwnLogs);
  const at = (path: string) => ({ destinationEndpoint: `http://127.0.0.1:4318/v1/${path}` });
  await driver.offerConnectionSettings(agent.uidText, {
    opamp: { destinationEndpoint: context.target.ws.href, heartbeatIntervalSeconds: 30n },
    ownMetrics: at("metrics"),
    ownTraces: at("traces"),
    ownLogs: at("logs"),
    otherConnections: { db: { destinationEndpoint: "http://127.0.0.1:1/" } },
  });
  const { connectionSettings: offer } = await agent.until(offersConnections, "connection settings");
  const seen = {
    opamp: offer?.opamp !== undefined,
    ownMetrics: offer?.ownMetrics !== undefined,
    ownTraces: offer?.ownTraces !== undefined,
    ownLogs: offer?.ownLogs !== undefined,
    others: Object.keys(offer?.otherConnections ?? {}).length,
  };
  ensureEqual(seen, { opamp: false, ownMetrics: true, ownTraces: false, ownLogs: true, others: 0 }, "parts:");
}
