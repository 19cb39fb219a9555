// What offers do to deployed agents: a supervisor rolls back by itself, drops what an offer leaves out, stops verifying
// servers, never comes back. A server that knows makes none of these offers. All of these need a driver.

import { USUAL } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual } from "../check.ts";
import { ensureRefused, isTaken, offersConfig, offersConnections } from "../expect.ts";
import { acknowledge, aFile, listed, offered, offersHash } from "../operate.ts";
import { AGENT, describe, isSame } from "../wire.ts";
import { CAPABLE, offered as offeredConnections, telemetry } from "./connections.ts";

const SILENT_MS = 1_200;
/** What a supervisor can do: it has no way to tell what became of connection settings. */
const SUPERVISOR =
  USUAL | AGENT.acceptsRestart | AGENT.acceptsOpampConnection | AGENT.reportsOwnMetrics | AGENT.reportsHeartbeat;

export const offersInTheField: readonly Case[] = [
  {
    ids: ["R65"],
    says: "does not offer again what a supervisor failed and rolled back by itself",
    over: BOTH,
    run: rollBack,
  },
  {
    ids: ["R64"],
    says: "offers once more to a supervisor that died while it applied: it says APPLYING for ever",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      const { configHash } = await offered(context, agent, [aFile("a: 1\n")]);
      await acknowledge(agent, configHash, "applying");
      const restarted = await context.restarted(agent);
      await restarted.introduce({ remoteConfigStatus: { lastRemoteConfigHash: configHash, status: 2 } });
      await restarted.until(offersHash(configHash), "the offer once more");
      await restarted.never(offersConfig, "offer a third time", SILENT_MS);
    },
  },
  {
    ids: ["R69"],
    says: "never offers a hash without files: supervisors stop the Collector on it",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      const { configHash } = await offered(context, agent, [aFile("a: 1\n")]);
      await acknowledge(agent, configHash, "failed", "broken");
      await agent.never(() => false, "anything", SILENT_MS);
      for (const { remoteConfig } of agent.messages()) {
        const files = Object.keys(remoteConfig?.config?.configMap ?? { none: 1 });
        ensure(files.length > 0, "files in every remote_config", "a hash alone");
      }
    },
  },
  {
    ids: ["R69"],
    says: "refuses to offer a config without files",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context);
      await ensureRefused("a config without files", context.driver().offerConfig(agent.uidText, []));
      await agent.never(offersConfig, "empty config", 500);
    },
  },
  {
    ids: ["R71"],
    says: "names its files, or has one alone: supervisors merge a nameless file last, over all others",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context);
      const { config } = await offered(context, agent, [aFile("a: 1\n", "a.yaml"), aFile("b: 1\n", "b.yaml")]);
      ensure(!Object.keys(config?.configMap ?? {}).includes(""), "names", "a file without");
    },
  },
  {
    ids: ["R105"],
    says: "offers no secure endpoint without a CA: supervisors stop verifying then",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context, SUPERVISOR);
      const settings = {
        opamp: { destinationEndpoint: "wss://muster.example.com/v1/opamp", heartbeatIntervalSeconds: 30n },
      };
      if (!(await isTaken(context.driver().offerConnectionSettings(agent.uidText, settings)))) return;
      const { connectionSettings: offer } = await agent.until(offersConnections, "connection_settings");
      ensure((offer?.opamp?.certificate?.caCert.length ?? 0) > 0, "a certificate with ca_cert", "none");
    },
  },
  {
    ids: ["R141"],
    says: "never offers a heartbeat interval of 0: supervisors on HTTP end for good",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, SUPERVISOR);
      const opamp = { destinationEndpoint: context.target.ws.href };
      if (!(await isTaken(context.driver().offerConnectionSettings(agent.uidText, { opamp })))) return;
      const message = await agent.until(offersConnections, "connection_settings");
      const interval = message.connectionSettings?.opamp?.heartbeatIntervalSeconds ?? 0n;
      ensure(interval > 0n && interval <= 86_400n, "an interval of 1 s to a day", () => `${interval}`);
    },
  },
  {
    ids: ["R141", "R105"],
    says: "refuses an interval that overflows a supervisor's clock",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context, SUPERVISOR);
      const opamp = { destinationEndpoint: context.target.ws.href, heartbeatIntervalSeconds: 10_000_000_000n };
      const told = context.driver().offerConnectionSettings(agent.uidText, { opamp });
      await ensureRefused("an interval of three centuries", told);
    },
  },
  {
    ids: ["R101", "R105"],
    says: "offers settings once to a supervisor: it reconnects for every copy and acknowledges none",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, SUPERVISOR);
      const opamp = { destinationEndpoint: context.target.ws.href, heartbeatIntervalSeconds: 30n };
      await offeredConnections(context, agent, { opamp });
      await agent.never(offersConnections, "second copy", 600);
      await agent.report({ agentDisconnect: {} });
      const again = await context.restarted(agent);
      await again.introduce({ health: { healthy: false } });
      await again.never(offersConnections, "second copy", SILENT_MS);
    },
  },
  {
    ids: ["R113", "R100"],
    says: "tells all destinations in one message, not one by one: supervisors drop what is left out",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const settings = { ownMetrics: telemetry("metrics"), ownLogs: telemetry("logs"), ownTraces: telemetry("traces") };
      await offeredConnections(context, agent, settings);
      for (const { connectionSettings: offer } of agent.messages()) {
        const parts = [offer?.ownMetrics, offer?.ownLogs, offer?.ownTraces].filter((part) => part !== undefined);
        ensure(offer === undefined || parts.length === 3, "all three", `${parts.length}`);
      }
    },
  },
  {
    ids: ["R68"],
    says: "offers an old config under its old hash: supervisors take it up without a restart",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context);
      const first = await offered(context, agent, [aFile("a: 1\n")]);
      await acknowledge(agent, first.configHash, "applied");
      const second = await offered(context, agent, [aFile("a: 2\n")]);
      await acknowledge(agent, second.configHash, "applied");
      const third = await offered(context, agent, [aFile("a: 1\n")]);
      ensureEqual(third.configHash, first.configHash, "hash");
    },
  },
];

async function rollBack(context: Context): Promise<void> {
  const agent = await listed(context);
  const good = await offered(context, agent, [aFile("a: good\n")]);
  await acknowledge(agent, good.configHash, "applying");
  await acknowledge(agent, good.configHash, "applied");
  const bad = await offered(context, agent, [aFile("b: bad\n")]);
  ensure(!isSame(good.configHash, bad.configHash), "another hash", "the same");
  await acknowledge(agent, bad.configHash, "applying");
  await acknowledge(agent, bad.configHash, "failed", "Config apply timeout exceeded");
  await acknowledge(agent, good.configHash, "applied");
  const isBad = offersHash(bad.configHash);
  await agent.never(isBad, "offer of what was rolled back", SILENT_MS);
  const restarted = await context.restarted(agent);
  // After a restart a supervisor says FAILED again, though it runs the good one.
  const reply = await restarted.introduce({
    remoteConfigStatus: { lastRemoteConfigHash: bad.configHash, status: 3, errorMessage: "as before" },
  });
  ensure(!isBad(reply), "no offer of what was rolled back", () => describe(reply));
  await restarted.never(isBad, "offer of what was rolled back", SILENT_MS);
}
