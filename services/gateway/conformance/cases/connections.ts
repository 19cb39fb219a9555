// Sections 4.10 and 4.11: where agents connect, and where they send their own telemetry. What deployed agents make of
// incomplete offers is in quirks.ts.

import type { ConnectionSettingsOffers } from "@muster/protocol/opamp";
import { type Agent, USUAL } from "../agent.ts";
import { createCa } from "../authority.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual } from "../check.ts";
import type { Connections } from "../driver.ts";
import { ensureRefused, offersConnections } from "../expect.ts";
import { listed } from "../operate.ts";
import { AGENT, describe, isSame } from "../wire.ts";

/** Everything an agent can be offered, with a status. */
export const CAPABLE =
  USUAL |
  AGENT.acceptsOpampConnection |
  AGENT.acceptsOtherConnections |
  AGENT.reportsOwnMetrics |
  AGENT.reportsOwnTraces |
  AGENT.reportsOwnLogs |
  AGENT.reportsConnectionStatus;
const SILENT_MS = 800;
const { certificate: PEM, key: KEY } = createCa("An offered CA");

/** Own-telemetry destinations, whose path is `path`. */
export const telemetry = (signal: string, host = "127.0.0.1") => ({
  destinationEndpoint: `http://${host}:4318/v1/${signal}`,
});

/** Has the server offer settings and waits until the agent has them. */
export async function offered(
  context: Context,
  agent: Agent,
  settings: Connections,
): Promise<ConnectionSettingsOffers> {
  await context.driver().offerConnectionSettings(agent.uidText, settings);
  const message = await agent.until(offersConnections, "connection_settings");
  ensure(message.connectionSettings !== undefined, "connection_settings", () => describe(message));
  return message.connectionSettings;
}

/** An agent that was offered a destination and says that it has it. */
async function settled(context: Context): Promise<{ readonly agent: Agent; readonly offer: ConnectionSettingsOffers }> {
  const agent = await listed(context, CAPABLE);
  const offer = await offered(context, agent, { ownMetrics: telemetry("metrics") });
  await acknowledge(agent, offer);
  return { agent, offer };
}

async function acknowledge(agent: Agent, { hash }: ConnectionSettingsOffers, status: 1 | 2 = 1): Promise<void> {
  await agent.report({ connectionSettingsStatus: { lastConnectionSettingsHash: hash, status } });
}

export const connections: readonly Case[] = [
  {
    ids: ["R101"],
    says: "has a hash for the settings, another one for others",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const first = await offered(context, agent, { ownMetrics: telemetry("metrics") });
      await acknowledge(agent, first);
      const second = await offered(context, agent, { ownMetrics: telemetry("metrics", "localhost") });
      for (const { hash } of [first, second]) ensure(hash.length > 0, "a hash", "none");
      ensure(!isSame(first.hash, second.hash), "two hashes", "one");
    },
  },
  {
    ids: ["R102"],
    says: "offers settings until the agent names their hash, and then no more",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const offer = await offered(context, agent, { ownMetrics: telemetry("metrics") });
      await acknowledge(agent, offer, 2);
      await acknowledge(agent, offer, 1);
      await agent.never(offersConnections, "settings that it has", SILENT_MS);
    },
  },
  {
    ids: ["R102", "R111"],
    says: "offers settings in its first message to an agent that comes back with another hash",
    over: BOTH,
    async run(context) {
      const { agent, offer } = await settled(context);
      const again = await context.restarted(agent);
      await again.introduce({ connectionSettingsStatus: { lastConnectionSettingsHash: Uint8Array.of(9), status: 1 } });
      const { connectionSettings } = await again.until(offersConnections, "connection_settings");
      ensureEqual(connectionSettings?.hash, offer.hash, "hash");
    },
  },
  {
    ids: ["R111"],
    says: "does not tell destinations again to an agent that comes back with them",
    over: BOTH,
    async run(context) {
      const { agent, offer } = await settled(context);
      const again = await context.restarted(agent);
      await again.introduce({ connectionSettingsStatus: { lastConnectionSettingsHash: offer.hash, status: 1 } });
      await again.never(offersConnections, "settings that it has", SILENT_MS);
    },
  },
  {
    ids: ["R104"],
    says: "refuses an OpAMP connection without an endpoint",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context, CAPABLE);
      for (const destinationEndpoint of ["", "ftp://example.com/", "somewhere"]) {
        const settings = { opamp: { destinationEndpoint, heartbeatIntervalSeconds: 30n } };
        const told = context.driver().offerConnectionSettings(agent.uidText, settings);
        await ensureRefused(`the endpoint "${destinationEndpoint}"`, told);
      }
    },
  },
  {
    ids: ["R105", "R107", "R108"],
    says: "offers an OpAMP connection whole: endpoint, headers, certificate and interval",
    over: BOTH,
    run: offerWhole,
  },
  {
    ids: ["R109"],
    says: "hands over TLS and proxy settings, and leaves them out when there are none",
    over: ["ws"],
    run: offerTlsAndProxy,
  },
  {
    ids: ["R110"],
    says: "hands over other connections by name, with their settings",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const db = { destinationEndpoint: "http://127.0.0.1:9000/in", otherSettings: { mode: "fast" } };
      const offer = await offered(context, agent, { otherConnections: { db } });
      const got = offer.otherConnections["db"];
      ensureEqual(
        [got?.destinationEndpoint, got?.otherSettings["mode"]],
        [db.destinationEndpoint, "fast"],
        "connection",
      );
    },
  },
  {
    ids: ["R112"],
    says: "tells destinations as full URLs, and refuses others",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context, CAPABLE);
      for (const destinationEndpoint of ["collector:4318", "grpc://collector:4317/"]) {
        const settings = { ownMetrics: { destinationEndpoint } };
        const told = context.driver().offerConnectionSettings(agent.uidText, settings);
        await ensureRefused(`the destination "${destinationEndpoint}"`, told);
      }
      const offer = await offered(context, agent, { ownMetrics: telemetry("metrics") });
      ensureEqual(offer.ownMetrics?.destinationEndpoint, telemetry("metrics").destinationEndpoint, "destination");
    },
  },
  {
    ids: ["R113"],
    says: "tells all destinations in one offer, also when one of them changes",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const all = { ownMetrics: telemetry("metrics"), ownTraces: telemetry("traces"), ownLogs: telemetry("logs") };
      await acknowledge(agent, await offered(context, agent, all));
      const offer = await offered(context, agent, { ...all, ownLogs: telemetry("logs", "localhost") });
      const told = [offer.ownMetrics, offer.ownTraces, offer.ownLogs].map((each) => each?.destinationEndpoint);
      const wanted = [all.ownMetrics, all.ownTraces, telemetry("logs", "localhost")];
      ensureEqual(
        told,
        wanted.map((each) => each.destinationEndpoint),
        "destinations",
      );
    },
  },
];

async function offerWhole(context: Context): Promise<void> {
  const agent = await listed(context, CAPABLE);
  const opamp = {
    destinationEndpoint: context.target.ws.href,
    headers: { headers: [{ key: "authorization", value: "Bearer new" }] },
    certificate: { cert: Buffer.from(PEM), privateKey: Buffer.from(KEY), caCert: Buffer.from(PEM) },
    heartbeatIntervalSeconds: 30n,
  };
  const { opamp: got } = await offered(context, agent, { opamp });
  ensureEqual(got?.destinationEndpoint, opamp.destinationEndpoint, "endpoint");
  const headers = got?.headers?.headers.map(({ key, value }) => `${key.toLowerCase()}: ${value}`);
  ensureEqual(headers, ["authorization: Bearer new"], "headers");
  ensureEqual(got?.heartbeatIntervalSeconds, 30n, "interval");
  const { cert = null, privateKey = null, caCert = null } = got?.certificate ?? {};
  const { certificate: wanted } = opamp;
  ensureEqual([cert, privateKey, caCert], [wanted.cert, wanted.privateKey, wanted.caCert], "certificate");
}

async function offerTlsAndProxy(context: Context): Promise<void> {
  const agent = await listed(context, CAPABLE);
  const tls = { caPemContents: PEM, minVersion: "1.2", includeSystemCaCertsPool: true };
  const proxy = { url: "http://127.0.0.1:3128", connectHeaders: { headers: [{ key: "a", value: "b" }] } };
  const full = await offered(context, agent, { ownMetrics: { ...telemetry("metrics"), tls, proxy } });
  const { tls: gotTls, proxy: gotProxy } = full.ownMetrics ?? {};
  ensureEqual([gotTls?.caPemContents, gotTls?.minVersion], [PEM, "1.2"], "TLS");
  ensureEqual([gotProxy?.url, gotProxy?.connectHeaders?.headers[0]?.value], ["http://127.0.0.1:3128", "b"], "proxy");
  await acknowledge(agent, full);
  const bare = await offered(context, agent, { ownMetrics: telemetry("metrics", "localhost") });
  ensureEqual([bare.ownMetrics?.tls ?? null, bare.ownMetrics?.proxy ?? null], [null, null], "TLS and proxy");
}
