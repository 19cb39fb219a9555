// A gateway dies while its agents are connected: how long until each is answered by another one, and whether these had to ask
// for what the dead one knew. The script kills nothing: the local runner does, or whoever runs it against a deployment.
// Give the addresses of several gateways, or one that stands for all of them.
//
// Gateways answer heartbeats from memory, so their numbers die with one that is killed: agents that beat since their last
// report have a gap afterwards, for which OpAMP demands that they are asked for everything. Nobody else may be asked.
//
//   k6 run -e ADDRESS=ws://a:4320/v1/opamp,ws://b:4320/v1/opamp -e TOKEN=... loadtest/k6/gateway-loss.js

import { createAgent, readSettings } from "./gen/bundle.js";
import { checkSources, endOf, fleetOptions, startShare } from "./lib/fleet.js";
import { SocketAgent } from "./lib/socket-agent.js";

const settings = readSettings(__ENV, ["ws", "wss"], {
  DURATION_SECONDS: 120,
  // Agents dial the dead gateway at once, wait 0.25 to 0.75 s and dial another: twice that is most of them, on a busy machine.
  MAX_RECONNECT_P95_MS: 3_000,
  // The slowest is back within one heartbeat of 30 s, before anybody takes it for gone.
  MAX_RECONNECT_MS: 30_000,
  // What a gateway was told is stored for all: whoever has no gap is not asked.
  MAX_UNNEEDED_FULL_STATE_REQUESTS: 0,
  // Without a loss the run shows nothing.
  MIN_DISCONNECTS: 1,
});

export const options = fleetOptions(settings, {
  muster_agents_answered: ["rate==1"], // nobody is left outside
  muster_disconnects: [`count>=${settings.MIN_DISCONNECTS}`],
  muster_agents_back: ["rate==1"], // every agent comes back
  muster_reconnect_ms: [`p(95)<=${settings.MAX_RECONNECT_P95_MS}`, `max<=${settings.MAX_RECONNECT_MS}`],
  muster_unneeded_full_state_requests: [`count<=${settings.MAX_UNNEEDED_FULL_STATE_REQUESTS}`],
  muster_error_replies: ["count==0"], // every message is a good one
});

export function setup() {
  checkSources(settings);
}

export function carryAgents() {
  const plan = { settings, endsAtMs: endOf(settings) };
  startShare(settings, (index) => new SocketAgent(createAgent(settings.SEED, index, [], Date.now()), index, plan));
}
