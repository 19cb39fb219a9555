// Every metric of the scripts, with the question it answers. k6 adds its own (ws_*, http_*, grpc_*).

import { Counter, Rate, Trend } from "k6/metrics";

const isTime = true;

/** How long is it from dialling to the first answer, whenever an agent connects? Milliseconds. */
export const connectToReplyMs = new Trend("muster_connect_to_reply_ms", isTime);
/** How often was an agent turned away, or nobody there? */
export const connectFailures = new Counter("muster_connect_failures");
/** How many agents were ever answered, of all that were started? */
export const agentsAnswered = new Rate("muster_agents_answered");
/** How many agents came to their end, however that was? Fewer than there were: the run itself broke, and says nothing. */
export const agentsEnded = new Counter("muster_agents_ended");
/** How many messages got their answer, of all that were sent? */
export const messagesAnswered = new Rate("muster_messages_answered");
/** How often did a server say that it could not take a message, or say what nobody understands? */
export const errorReplies = new Counter("muster_error_replies");

/** How long does the answer to a heartbeat take? Milliseconds. */
export const heartbeatReplyMs = new Trend("muster_heartbeat_reply_ms", isTime);
/** How many heartbeats were answered? With none there is nothing to say of how long it takes. */
export const heartbeats = new Counter("muster_heartbeats");
/** How long does the answer to a change of health or config take? Milliseconds. */
export const statusReplyMs = new Trend("muster_status_reply_ms", isTime);
/** How long does the answer to a poll over plain HTTP take, from the first try on? Milliseconds. */
export const pollReplyMs = new Trend("muster_poll_reply_ms", isTime);
/** How much older than it may be is the health that operators see of an agent? Milliseconds. */
export const visibleLagMs = new Trend("muster_visible_lag_ms", isTime);
/** How often was it looked at? */
export const looks = new Counter("muster_looks");

/** How many agents were offered the revision of the rollout, of all? */
export const offerReceived = new Rate("muster_offer_received");
/** How long is it from the start of the rollout to the offer at an agent? Milliseconds. */
export const startToOfferMs = new Trend("muster_start_to_offer_ms", isTime);
/** Did the rollout succeed, which it does only when every agent was verified? */
export const rolloutSucceeded = new Rate("muster_rollout_succeeded");
/** How long is it from the start of the rollout until operators see that it succeeded? Milliseconds. */
export const rolloutMs = new Trend("muster_rollout_ms", isTime);

/** How often did an agent lose its connection without wanting to? */
export const disconnects = new Counter("muster_disconnects");
/** How long is it from such a loss to the first answer on the next connection? Milliseconds. */
export const reconnectMs = new Trend("muster_reconnect_ms", isTime);
/** How many agents that lost their connection were answered again? */
export const agentsBack = new Rate("muster_agents_back");
/** How often was an agent asked for everything? */
export const fullStateRequests = new Counter("muster_full_state_requests");
/** How often was it asked although no sequence number can have been missing where it connected? */
export const unneededFullStateRequests = new Counter("muster_unneeded_full_state_requests");
