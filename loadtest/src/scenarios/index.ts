// Every scenario of load tests, in the order in which the help and the page show them.

import { churn } from "./churn.ts";
import { connect } from "./connect.ts";
import { gatewayLoss } from "./gateway-loss.ts";
import { heartbeats } from "./heartbeats.ts";
import { idleFleet } from "./idle-fleet.ts";
import { openLoop } from "./open-loop.ts";
import { peers } from "./peers.ts";
import { queries } from "./queries.ts";
import { redisCost } from "./redis-cost.ts";
import { rollout } from "./rollout.ts";
import { scaleOut } from "./scale-out.ts";
import type { Scenario } from "./scenario.ts";

/** All of them. */
export const scenarios: readonly Scenario[] = [
  heartbeats,
  peers,
  openLoop,
  connect,
  redisCost,
  idleFleet,
  gatewayLoss,
  churn,
  scaleOut,
  rollout,
  queries,
];
