// How late a gateway's event loop runs while a whole fleet changes: every agent's health turns once in ten seconds, and a
// hundredth of the connections breaks every second and comes back. The gateway measures its own delay; it says so at
// /metrics, since the last scrape.

import { setTimeout as sleep } from "node:timers/promises";
import { prepareFleet } from "../lean/fleet.ts";
import { CORE } from "../measure/pin.ts";
import { cpuMicros } from "../measure/process-cost.ts";
import { eventLoopDelayP99Ms, reading, scrape } from "../measure/service-metrics.ts";
import { openMuster, settled } from "../servers/muster.ts";
import { MUSTER } from "../servers/server.ts";
import { eachRound } from "./alone.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 10_000;
const HEALTH_PERIOD_MS = 10_000;
/** Share of the connections that breaks in a second. */
const CUT_SHARE = 0.01;
const PATIENCE_MS = 120_000;

async function measure(run: Run) {
  const { agents, windowMs } = run;
  const muster = await openMuster({ services: { gateway: 1, projector: 1 }, core: CORE.server }, run);
  const [gateway] = muster.stack.of("gateway");
  const fleet = await prepareFleet({ count: agents, urls: muster.stack.opampUrls, cores: [CORE.load] });
  try {
    await fleet.connect();
    await settled(muster, PATIENCE_MS);
    await fleet.churn(HEALTH_PERIOD_MS, Math.max(1, agents * CUT_SHARE));
    await sleep(windowMs / 10);
    await scrape(gateway.healthUrl); // the delay is counted from here
    const [cpuBefore, before, startedAtMs] = [cpuMicros(gateway.pid() ?? 0), await fleet.count(), performance.now()];
    await sleep(windowMs);
    const elapsedMs = performance.now() - startedAtMs;
    const [after, share] = [await fleet.count(), (cpuMicros(gateway.pid() ?? 0) - cpuBefore) / 1_000 / elapsedMs];
    const readings = await scrape(gateway.healthUrl);
    return {
      delay: eventLoopDelayP99Ms(readings),
      delayMedian: reading(readings, "muster_process_event_loop_delay_seconds", '"0.5"') * 1_000,
      messages: ((after.answers - before.answers) * 1_000) / elapsedMs,
      reconnects: ((after.connects - before.connects) * 1_000) / elapsedMs,
      refusals: after.refusals - before.refusals,
      share,
    };
  } finally {
    await fleet.churn(0, 0);
    await fleet.stop();
    await muster.stop();
  }
}

export const churn: Scenario = {
  name: "churn",
  summary:
    "Every agent's health changes once in ten seconds, and a hundredth of the connections breaks every second: how late the gateway's event loop runs.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 30_000 },
  smoke: { agents: 60, rounds: 1, windowMs: 500 },
  isPinned: true,
  takesServers: false,
  plan: () => ({
    metrics: [
      { id: "delay", title: "event-loop delay of the gateway, 99th percentile", unit: "ms" },
      { id: "delayMedian", title: "event-loop delay of the gateway, median", unit: "ms" },
      { id: "messages", title: "messages answered", unit: "per second" },
      { id: "reconnects", title: "reconnects", unit: "per second" },
      { id: "refusals", title: "attempts to connect that were refused", unit: "count" },
      { id: "share", title: "the gateway's share of a core", unit: "share" },
    ],
    ratios: [],
    targets: [
      {
        title: "event-loop delay of a gateway while 10,000 agents churn, 99th percentile",
        measured: { kind: "metric", metric: "delay", subject: MUSTER },
        bound: "at most",
        limit: 20,
        unit: "ms",
        minAgents: REFERENCE_AGENTS,
      },
    ],
  }),
  run: (run) => eachRound(run, measure),
};
