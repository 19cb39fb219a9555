// A fleet in trouble: every agent's health turns again and again, and now and then its config changes on the machine, so
// that each message has to be stored. How long the answers take.
//
//   k6 run -e ADDRESS=wss://muster.example:4320/v1/opamp -e TOKEN=... -e CHANGE_SECONDS=2 loadtest/k6/status-churn.js

import { changeConfig, changeHealth, createAgent, readSettings } from "./gen/bundle.js";
import { checkSources, endOf, fleetOptions, startShare } from "./lib/fleet.js";
import { SocketAgent } from "./lib/socket-agent.js";

const settings = readSettings(__ENV, ["ws", "wss"], {
  // Between changes of one agent: far more than a fleet in trouble does, so that few agents are a load.
  CHANGE_SECONDS: 5,
  // Every so many changes, one is a new effective config of 3 KB instead of health.
  CHANGES_PER_CONFIG: 5,
  // Changes are gathered for 25 ms before they are written; ten times that is a store that falls behind.
  MAX_STATUS_P95_MS: 500,
  MAX_STATUS_P99_MS: 2_000,
  // One answer in a thousand may be lost to the network between.
  MIN_ANSWERED: 0.999,
});

export const options = fleetOptions(settings, {
  muster_agents_answered: ["rate==1"], // nobody is left outside
  muster_status_reply_ms: [`p(95)<=${settings.MAX_STATUS_P95_MS}`, `p(99)<=${settings.MAX_STATUS_P99_MS}`],
  muster_messages_answered: [`rate>=${settings.MIN_ANSWERED}`],
  muster_error_replies: ["count==0"], // every message is a good one
});

export function setup() {
  checkSources(settings);
}

function nextChange(state, nowMs, count) {
  const isConfig = (count + 1) % settings.CHANGES_PER_CONFIG === 0;
  return isConfig ? changeConfig(state) : changeHealth(state, nowMs);
}

export function carryAgents() {
  const change = { everyMs: settings.CHANGE_SECONDS * 1000, next: nextChange };
  const plan = { settings, endsAtMs: endOf(settings), change };
  startShare(settings, (index) => new SocketAgent(createAgent(settings.SEED, index, [], Date.now()), index, plan));
}
