// A fleet at rest: agents that have nothing to say but that they live. How long the answer to a heartbeat takes, and whether
// every one is answered.
//
//   k6 run -e ADDRESS=wss://muster.example:4320/v1/opamp -e TOKEN=... -e AGENTS=5000 loadtest/k6/steady-heartbeats.js

import { createAgent, readSettings } from "./gen/bundle.js";
import { checkSources, endOf, fleetOptions, startShare } from "./lib/fleet.js";
import { SocketAgent } from "./lib/socket-agent.js";

const settings = readSettings(__ENV, ["ws", "wss"], {
  // The ramp, and then three heartbeats of each agent.
  DURATION_SECONDS: 120,
  // An unchanged heartbeat is answered from memory: what takes longer than this waits for something.
  MAX_HEARTBEAT_P95_MS: 250,
  MAX_HEARTBEAT_P99_MS: 1_000,
  // One answer in a thousand may be lost to the network between.
  MIN_ANSWERED: 0.999,
  // Nobody hangs up on a fleet at rest.
  MAX_DISCONNECTS: 0,
});

export const options = fleetOptions(settings, {
  muster_agents_answered: ["rate==1"], // nobody is left outside
  muster_heartbeats: ["count>0"], // else the next line says nothing
  muster_heartbeat_reply_ms: [`p(95)<=${settings.MAX_HEARTBEAT_P95_MS}`, `p(99)<=${settings.MAX_HEARTBEAT_P99_MS}`],
  muster_messages_answered: [`rate>=${settings.MIN_ANSWERED}`],
  muster_disconnects: [`count<=${settings.MAX_DISCONNECTS}`],
  muster_error_replies: ["count==0"], // every message is a good one
});

export function setup() {
  checkSources(settings);
}

export function carryAgents() {
  const plan = { settings, endsAtMs: endOf(settings) };
  startShare(settings, (index) => new SocketAgent(createAgent(settings.SEED, index, [], Date.now()), index, plan));
}
