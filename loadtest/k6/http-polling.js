// Agents over plain HTTP, which ask every 30 s whether there is something for them. How long a poll takes. An address may
// begin with ws or wss as well: OpAMP is served over both at one place.
//
//   k6 run -e ADDRESS=https://muster.example:4320/v1/opamp -e TOKEN=... -e AGENTS=5000 loadtest/k6/http-polling.js

import { createAgent, readSettings, toHttp } from "./gen/bundle.js";
import { checkSources, endOf, fleetOptions, startShare } from "./lib/fleet.js";
import { pollAsAgent } from "./lib/poll-agent.js";

const settings = readSettings(__ENV, ["ws", "wss", "http", "https"], {
  // As opamp-go polls.
  POLL_SECONDS: 30,
  // A poll is a request of its own, with all that a proxy does to it: twice what a heartbeat on a WebSocket may take.
  MAX_POLL_P95_MS: 500,
  MAX_POLL_P99_MS: 2_000,
  // One answer in a thousand may be lost to the network between.
  MIN_ANSWERED: 0.999,
  // Nobody sends a fleet at rest away, or leaves it without answer.
  MAX_CONNECT_FAILURES: 0,
});

export const options = fleetOptions(settings, {
  muster_agents_answered: ["rate==1"], // nobody is left outside
  muster_poll_reply_ms: [`p(95)<=${settings.MAX_POLL_P95_MS}`, `p(99)<=${settings.MAX_POLL_P99_MS}`],
  muster_messages_answered: [`rate>=${settings.MIN_ANSWERED}`],
  muster_connect_failures: [`count<=${settings.MAX_CONNECT_FAILURES}`],
  muster_error_replies: ["count==0"], // every message is a good one
});

export function setup() {
  checkSources(settings);
}

export function carryAgents() {
  const plan = { settings, endsAtMs: endOf(settings), urls: settings.addresses.map(toHttp) };
  startShare(settings, (index) => pollAsAgent(createAgent(settings.SEED, index, [], Date.now()), index, plan));
}
