// A fleet in trouble: every agent's health turns again and again, and now and then its config changes on the machine, so
// that each message has to be stored. How long the answers take; and since a gateway answers before it has stored anything, with
// MANAGEMENT also how old the health is that operators see.
//
//   k6 run -e ADDRESS=wss://muster.example:4320/v1/opamp -e TOKEN=... -e MANAGEMENT=muster.example:4321 \
//     -e CHANGE_SECONDS=2 loadtest/k6/status-churn.js

import { sleep } from "k6";
import { changeConfig, changeHealth, createAgent, readManagement, readSettings } from "./gen/bundle.js";
import { checkSources, endOf, fleetOptions, startShare } from "./lib/fleet.js";
import { connect, healthAtMs } from "./lib/management.js";
import { looks, visibleLagMs } from "./lib/metrics.js";
import { SocketAgent } from "./lib/socket-agent.js";

const settings = readSettings(__ENV, ["ws", "wss"], {
  // Between changes of one agent: far more than a fleet in trouble does, so that few agents are a load.
  CHANGE_SECONDS: 5,
  // Every so many changes, one is a new effective config of 3 KB instead of health.
  CHANGES_PER_CONFIG: 5,
  // An answer waits for no store: what takes longer than this waits for a gateway that has too much to do.
  MAX_STATUS_P95_MS: 500,
  MAX_STATUS_P99_MS: 2_000,
  // What an agent said is seen within a second or two; later, and the store or who reads its streams falls behind.
  MAX_VISIBLE_P95_MS: 2_000,
  // Nobody hangs up on an agent that has something to say.
  MAX_DISCONNECTS: 0,
  // One answer in a thousand may be lost to the network between.
  MIN_ANSWERED: 0.999,
});

/** Where operators look; null: storage is not checked. Agents that change nothing but configs have no health to look at. */
const management = __ENV.MANAGEMENT && settings.CHANGES_PER_CONFIG > 1 ? readManagement(__ENV) : null;

const fleet = fleetOptions(settings, {
  muster_agents_answered: ["rate==1"], // nobody is left outside
  muster_status_reply_ms: [`p(95)<=${settings.MAX_STATUS_P95_MS}`, `p(99)<=${settings.MAX_STATUS_P99_MS}`],
  muster_messages_answered: [`rate>=${settings.MIN_ANSWERED}`],
  muster_disconnects: [`count<=${settings.MAX_DISCONNECTS}`],
  muster_agents_back: ["rate==1"], // where some may be lost, they come back
  muster_error_replies: ["count==0"], // every message is a good one
  ...(management === null
    ? {}
    : { muster_looks: ["count>0"], muster_visible_lag_ms: [`p(95)<=${settings.MAX_VISIBLE_P95_MS}`] }),
});
const { agents } = fleet.scenarios;
const operator = management === null ? {} : { operator: { ...agents, vus: 1, exec: "lookOn" } };
export const options = { ...fleet, scenarios: { agents, ...operator } };

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

/**
 * Of every two changes in a row one is of health at least: what is seen of an agent may be so old, and nothing of that counts as
 * lag. Who looks does not know when an agent changed last; with a smaller CHANGE_SECONDS a store that falls behind shows sooner.
 */
const ALLOWED_AGE_MS = 2 * settings.CHANGE_SECONDS * 1000;
const LOOK_SECONDS = 0.1;

/** Looks at one agent after the other, once all have had time to come and to change. */
export function lookOn() {
  connect(management);
  sleep(settings.RAMP_SECONDS + settings.CHANGE_SECONDS);
  while (Date.now() < endOf(settings) - LOOK_SECONDS * 1000) {
    const index = settings.FIRST_AGENT + Math.floor(Math.random() * settings.AGENTS);
    const atMs = healthAtMs(createAgent(settings.SEED, index, [], 0).identity.uid);
    visibleLagMs.add(Math.max(0, Date.now() - atMs - ALLOWED_AGE_MS));
    looks.add(1);
    sleep(LOOK_SECONDS);
  }
}
