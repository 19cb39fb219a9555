// A gateway is killed under its agents while another one runs: how long until all of them are back, whether anything that
// they said was lost, and whether any was asked to tell everything again although its sequence number says that nothing
// is missing.
//
// Before the kill, a quarter of the agents sends a heartbeat that no store hears of, and a few change their health in
// the very moment of the kill: of both the number alone says that something may be missing. The others are silent since
// their report was written: they must not be asked. Everybody dials the dead gateway first, is refused, and goes on to
// the other with opamp-go's back-off.

import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AgentService } from "@muster/protocol/muster/agents";
import { until } from "@muster/testkit";
import { type LeanFleet, prepareFleet } from "../lean/fleet.ts";
import { type Muster, openMuster, settled } from "../servers/muster.ts";
import { MUSTER } from "../servers/server.ts";
import { eachRound } from "./alone.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 15_000;
const BEATING = { from: 0, to: 0.25 };
const SILENT = { from: 0.25, to: 0.95 };
const CHANGING = { from: 0.95, to: 1 };
const HEARTBEAT_MS = 30_000;
const PATIENCE_MS = 180_000;
const POLL_MS = 50;
const PAGE_SIZE = 1_000;
/** What the real default of a gateway lets in is part of what is measured. */
const DEFAULT_DOOR = { MUSTER_GATEWAY_UPGRADES_PER_SECOND: undefined };

async function measure(run: Run) {
  const { agents } = run;
  const services = { gateway: 2, projector: 1, management: 1 };
  const muster = await openMuster({ services, gatewayEnv: DEFAULT_DOOR }, run);
  const fleet = await prepareFleet({ count: agents, urls: muster.stack.opampUrls, isSpread: false });
  try {
    await fleet.connect();
    await muster.visible(agents, PATIENCE_MS);
    await fleet.beat(BEATING.to);
    await settled(muster, PATIENCE_MS);
    const before = await fleet.count();
    await fleet.turnHealth(CHANGING);
    const killedAtMs = performance.now();
    await muster.stack.of("gateway")[0].kill9();
    const backMs = await allBack(fleet, agents, killedAtMs);
    // As they would have all along: who is to tell everything again, and not at once, is asked when it is heard next.
    await fleet.beatEvery(HEARTBEAT_MS);
    await muster.visible(agents, PATIENCE_MS);
    const visibleMs = performance.now() - killedAtMs;
    const changed = agents - Math.round(agents * CHANGING.from);
    const lost = await untilNothingIsLost(muster, agents, changed, run.signal);
    const completeMs = performance.now() - killedAtMs;
    const [after, silent] = [await fleet.count(), await fleet.count(SILENT)];
    return {
      back: backMs / 1_000,
      visible: visibleMs / 1_000,
      complete: completeMs / 1_000,
      lost,
      askedInVain: silent.fullStateRequests,
      asked: after.fullStateRequests - before.fullStateRequests,
      refusals: after.refusals - before.refusals,
    };
  } finally {
    await fleet.stop();
    await muster.stop();
  }
}

async function allBack(fleet: LeanFleet, agents: number, killedAtMs: number): Promise<number> {
  await until(async () => (await fleet.count()).up < agents, {
    timeoutMs: PATIENCE_MS,
    what: "the loss to be noticed",
  });
  for (;;) {
    const { up } = await fleet.count();
    const sinceMs = performance.now() - killedAtMs;
    if (up === agents) return sinceMs;
    if (sinceMs > PATIENCE_MS) throw new Error(`only ${up} agents of ${agents} are back`);
    await sleep(POLL_MS);
  }
}

/** What an operator's list lacks, given the time that full reports take: agents, and changes of health. */
async function untilNothingIsLost(muster: Muster, agents: number, changed: number, signal: AbortSignal) {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const [described, unhealthy] = await tally(muster.stack.managementUrl, signal);
    const lost = agents - described + Math.abs(changed - unhealthy);
    if (lost === 0 || performance.now() > untilMs) return lost;
    await sleep(1_000);
  }
}

/** Connected agents whose description is there, and those that say that they are not healthy. */
async function tally(baseUrl: string, signal: AbortSignal): Promise<readonly [described: number, unhealthy: number]> {
  const sessionManager = new Http2SessionManager(baseUrl);
  const client = createClient(AgentService, createGrpcTransport({ baseUrl, sessionManager }));
  let [described, unhealthy, pageToken] = [0, 0, ""];
  try {
    do {
      const page = await client.listAgents({ pageSize: PAGE_SIZE, pageToken, selector: "connected=true" }, { signal });
      described += page.agents.filter((agent) => Object.keys(agent.identifyingAttributes).length > 0).length;
      unhealthy += page.agents.filter((agent) => agent.health?.healthy === false).length;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  } finally {
    sessionManager.abort();
  }
  return [described, unhealthy];
}

export const gatewayLoss: Scenario = {
  name: "gateway-loss",
  summary:
    "The gateway that holds the whole fleet is killed beside another one: until everybody is back, what was lost, and who was asked to tell everything again.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 0 },
  smoke: { agents: 40, rounds: 1, windowMs: 0 },
  isPinned: false,
  takesServers: false,
  plan: () => ({
    metrics: [
      { id: "back", title: "from the kill until all are back and answered", unit: "s" },
      { id: "visible", title: "from the kill until an operator sees all of them again", unit: "s" },
      { id: "complete", title: "from the kill until its list shows every change, too", unit: "s" },
      { id: "lost", title: "agents or changes that were lost", unit: "count" },
      { id: "askedInVain", title: "agents asked to tell everything although nothing was missing", unit: "count" },
      { id: "asked", title: "agents asked to tell everything, all together", unit: "count" },
      { id: "refusals", title: "attempts to connect that were refused", unit: "count" },
    ],
    ratios: [],
    targets: [
      atMost("15,000 agents back after their gateway was killed", "back", 30, "s"),
      atMost("the same: agents or changes lost", "lost", 0, "count"),
      atMost("the same: full reports that the sequence number did not need", "askedInVain", 0, "count"),
    ],
  }),
  run: (run) => eachRound(run, measure),
};

function atMost(title: string, metric: string, limit: number, unit: "s" | "count") {
  const measured = { kind: "metric", metric, subject: MUSTER } as const;
  return { title, measured, bound: "at most", limit, unit, minAgents: REFERENCE_AGENTS } as const;
}
