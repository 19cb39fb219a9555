// Many agents connect at once, as after a power cut: how long each waits for its first answer. They stay until the end, with
// their heartbeats.
//
//   k6 run -e ADDRESS=wss://muster.example:4320/v1/opamp -e TOKEN=... -e AGENTS=5000 loadtest/k6/connect-storm.js

import { createAgent, readSettings } from "./gen/bundle.js";
import { checkSources, endOf, fleetOptions, startShare } from "./lib/fleet.js";
import { SocketAgent } from "./lib/socket-agent.js";

const settings = readSettings(__ENV, ["ws", "wss"], {
  DURATION_SECONDS: 60,
  // All at once.
  RAMP_SECONDS: 0,
  // Agents are seen as gone after some missed heartbeats of 30 s; a tenth of that is a storm that nobody notices.
  MAX_CONNECT_P95_MS: 3_000,
  // The slowest agent is in within one heartbeat.
  MAX_CONNECT_MS: 30_000,
  // A gateway takes 5,000 connections a second and sends others away for half a minute or more: a storm that one gateway can
  // bear sends nobody away.
  MAX_CONNECT_FAILURES: 0,
});

export const options = fleetOptions(settings, {
  muster_agents_answered: ["rate==1"], // nobody is left outside
  muster_connect_to_reply_ms: [`p(95)<=${settings.MAX_CONNECT_P95_MS}`, `max<=${settings.MAX_CONNECT_MS}`],
  muster_connect_failures: [`count<=${settings.MAX_CONNECT_FAILURES}`],
  muster_error_replies: ["count==0"], // every message is a good one
});

export function setup() {
  checkSources(settings);
}

export function carryAgents() {
  const plan = { settings, endsAtMs: endOf(settings) };
  startShare(settings, (index) => new SocketAgent(createAgent(settings.SEED, index, [], Date.now()), index, plan));
}
