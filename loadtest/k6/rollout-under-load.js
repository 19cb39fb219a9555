// A rollout to a whole fleet while its agents live on: how long it is from the start to the offer at each agent, and until
// operators see that it succeeded. The config is made for the run and matches its agents alone; they apply what they are
// offered. Times are those of this machine's clock, at both ends.
//
//   k6 run -e ADDRESS=wss://muster.example:4320/v1/opamp -e TOKEN=... -e MANAGEMENT=muster.example:4321 \
//     loadtest/k6/rollout-under-load.js

import { createAgent, readManagement, readSettings } from "./gen/bundle.js";
import { checkSources, endOf, fleetOptions, startShare } from "./lib/fleet.js";
import { awaitEnd, awaitTargets, closeConfig, openConfig, startedAtMsOf, startRollout } from "./lib/management.js";
import { offerReceived, rolloutMs, rolloutSucceeded, startToOfferMs } from "./lib/metrics.js";
import { SocketAgent } from "./lib/socket-agent.js";

const settings = readSettings(__ENV, ["ws", "wss"], {
  DURATION_SECONDS: 180,
  // How long the fleet may take to be seen by the plan, from the end of the ramp on.
  PLAN_SECONDS: 60,
  // An operator who starts a rollout sees it arrive while looking: half a minute for a thousand agents, of which most is
  // the pace at which workers assign.
  MAX_START_TO_OFFER_P95_MS: 30_000,
  // Heartbeats do not wait for a rollout: twice what a fleet at rest is given.
  MAX_HEARTBEAT_P95_MS: 500,
});
const management = readManagement(__ENV);

/** The rollout begins with the fleet, and must be through before the agents go. */
const fleet = fleetOptions(settings, {
  muster_agents_answered: ["rate==1"], // nobody is left outside
  muster_offer_received: ["rate==1"], // a rollout to all is offered to all
  muster_start_to_offer_ms: [`p(95)<=${settings.MAX_START_TO_OFFER_P95_MS}`],
  muster_rollout_succeeded: ["rate==1"], // agents that say APPLIED and stay healthy are verified
  muster_heartbeats: ["count>0"], // else the next line says nothing
  muster_heartbeat_reply_ms: [`p(95)<=${settings.MAX_HEARTBEAT_P95_MS}`],
  muster_error_replies: ["count==0"], // every message is a good one
});
const { agents } = fleet.scenarios;
export const options = { ...fleet, scenarios: { agents, rollout: { ...agents, vus: 1, exec: "rollOut" } } };

/** Names this run: the attribute of its agents and the config that is for them. */
export function setup() {
  checkSources(settings);
  return { run: `load-test-${Date.now()}` };
}

export function carryAgents({ run }) {
  const offered = new Set();
  const share = [];
  startShare(settings, (index) => {
    share.push(index);
    const onOffer = ({ files }, atMs) => noteOffer(offered, index, startedAtMsOf(run, files), atMs);
    const plan = { settings, endsAtMs: endOf(settings), onOffer };
    new SocketAgent(createAgent(settings.SEED, index, [["load-test.run", run]], Date.now()), index, plan);
  });
  setTimeout(() => {
    for (const index of share) offerReceived.add(offered.has(index));
  }, endOf(settings) - Date.now());
}

/** Only the first offer of this run's rollout counts: a second one would be the rollout trying again. */
function noteOffer(offered, index, startedAtMs, atMs) {
  if (startedAtMs === undefined || offered.has(index)) return;
  offered.add(index);
  startToOfferMs.add(atMs - startedAtMs);
}

export function rollOut({ run }) {
  let hasSucceeded = false;
  try {
    hasSucceeded = rollOutToAll(run);
  } finally {
    rolloutSucceeded.add(hasSucceeded); // also when a call failed: a threshold without a value is kept
  }
}

function rollOutToAll(run) {
  const endsAtMs = endOf(settings);
  openConfig(management, run, `load-test.run=${run}`);
  const targeted = awaitTargets(
    run,
    settings.AGENTS,
    Date.now() + (settings.RAMP_SECONDS + settings.PLAN_SECONDS) * 1000,
  );
  if (targeted < settings.AGENTS)
    throw new Error(`the plan reaches ${targeted} of ${settings.AGENTS} agents; see PLAN_SECONDS`);
  const { rolloutId, startedAtMs } = startRollout(run);
  const phase = awaitEnd(rolloutId, endsAtMs - 2_000); // before the agents go, or it would be their going that ends it
  rolloutMs.add(Date.now() - startedAtMs);
  return phase === "ROLLOUT_PHASE_SUCCEEDED";
}

/** Also after a run that was interrupted. */
export function teardown({ run }) {
  closeConfig(management, run);
}
