// Which agents a virtual user carries, when each starts, and how long k6 may take: what all six scripts share. An agent is not
// a virtual user: an engine of k6 needs megabytes and an agent kilobytes, so each user carries AGENTS_PER_VU of them.

import exec from "k6/execution";
import { sourcesNeeded } from "../gen/bundle.js";

/** What k6 may take longer than the agents stay: to answer the last messages and to close. */
const CLOSING_SECONDS = 30;

/**
 * The part of k6's options that all scripts have; `thresholds` fail the run. k6 takes one for kept that nothing was measured
 * for, unless it is of a counter: so agents that came to their end are counted.
 */
export function fleetOptions(settings, thresholds) {
  return {
    scenarios: { agents: agentsScenario(settings) },
    thresholds: { muster_agents_ended: [`count==${settings.AGENTS}`], ...thresholds },
    summaryTrendStats: ["min", "med", "p(95)", "p(99)", "max"],
    // An HTTP client of the field keeps its connection between polls; k6 keeps as many as it may use at once.
    batch: settings.AGENTS_PER_VU,
    batchPerHost: settings.AGENTS_PER_VU,
    setupTimeout: "60s",
  };
}

/** One iteration for each virtual user, in which its agents live from beginning to end: the script's carryAgents. */
function agentsScenario(settings) {
  return {
    executor: "per-vu-iterations",
    exec: "carryAgents",
    vus: Math.ceil(settings.AGENTS / settings.AGENTS_PER_VU),
    iterations: 1,
    maxDuration: `${settings.DURATION_SECONDS + CLOSING_SECONDS}s`,
    gracefulStop: "5s",
  };
}

/** Starts this virtual user's agents, each in its turn of the ramp. `start` is given the number of the agent in the fleet. */
export function startShare(settings, start) {
  const share = exec.scenario.iterationInTest;
  const first = share * settings.AGENTS_PER_VU;
  const end = Math.min(first + settings.AGENTS_PER_VU, settings.AGENTS);
  for (let i = first; i < end; i++) {
    // Chance within the agent's turn: many engines counting alike would strike at the same moments.
    const turn = (i + Math.random()) / settings.AGENTS;
    setTimeout(() => start(settings.FIRST_AGENT + i), turn * settings.RAMP_SECONDS * 1000);
  }
}

/** When the agents of this scenario stop, in milliseconds since 1970. */
export function endOf(settings) {
  return exec.scenario.startTime + settings.DURATION_SECONDS * 1000;
}

/**
 * Refuses a run that cannot work: one source address has about 28,000 ports for one place that it connects to. With
 * --local-ips every virtual user has one of the addresses, in turn, and all its agents with it.
 */
export function checkSources(settings) {
  if (exec.test.options.localIPs) return;
  const needed = sourcesNeeded(settings.AGENTS / settings.addresses.length);
  if (needed <= 1) return;
  throw new Error(
    `${settings.AGENTS} agents need ${needed} source addresses: add --local-ips FIRST-LAST, a range of at least ` +
      `so many addresses of this machine (on loopback 127.0.0.2-127.0.0.${needed + 1})`,
  );
}
