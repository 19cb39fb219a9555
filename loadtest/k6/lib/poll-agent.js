// One agent over plain HTTP: the shell around the pure agent of gen/bundle.js. One request at a time, as opamp-go: the next
// when there is something to say, else when the interval is over; 429, 503 and a broken connection send the same bytes again.

import http from "k6/http";
import {
  decodeReply,
  finishApplying,
  OPAMP_BACKOFF,
  ProtocolError,
  parseRetryAfter,
  reportEverything,
  reportHeartbeat,
  reportOnConnect,
  retryMs,
  takeOffer,
  takeUid,
} from "../gen/bundle.js";
import * as metrics from "./metrics.js";
import { warnOnce } from "./warn-once.js";

/** How long an agent waits for an answer, and for the last one when it is to end. */
const REPLY_TIMEOUT_MS = 10_000;
const LAST_REPLY_MS = 2_000;

/** Polls until `plan.endsAtMs`. `plan`: settings, endsAtMs, urls. */
export async function pollAsAgent(initial, index, plan) {
  const agent = { state: initial, todo: [reportOnConnect], appliesAtMs: Number.POSITIVE_INFINITY, wasAnswered: false };
  const url = plan.urls[index % plan.urls.length];
  while (Date.now() < plan.endsAtMs) {
    const report = agent.todo.shift() ?? reportHeartbeat;
    const [state, body] = report(agent.state);
    agent.state = state;
    const reply = await deliver(agent, body, url, plan);
    metrics.messagesAnswered.add(reply !== null);
    if (reply !== null) takeReply(agent, reply, plan);
    if (agent.todo.length === 0) await nextPoll(agent, plan);
  }
  metrics.agentsAnswered.add(agent.wasAnswered);
  metrics.agentsEnded.add(1);
}

/** What an answer gives an agent to say at once. */
function takeReply(agent, reply, plan) {
  agent.wasAnswered = true;
  agent.state = takeUid(agent.state, reply);
  if (reply.offer !== undefined) {
    agent.todo.push((state) => takeOffer(state, reply.offer));
    agent.appliesAtMs = Date.now() + plan.settings.APPLY_SECONDS * 1000;
  }
  if (reply.asksFullState) {
    metrics.fullStateRequests.add(1);
    agent.todo.push(reportEverything);
  }
}

/** Waits for the next poll, or until a config is applied, which is told at once. */
async function nextPoll(agent, { settings, endsAtMs }) {
  const nowMs = Date.now();
  await delay(Math.min(settings.POLL_SECONDS * 1000, agent.appliesAtMs - nowMs, endsAtMs - nowMs));
  if (Date.now() < agent.appliesAtMs) return;
  agent.appliesAtMs = Number.POSITIVE_INFINITY;
  agent.todo.push((state) => finishApplying(state) ?? reportHeartbeat(state));
}

/** Sends one message until the server takes it; null when it is lost. */
async function deliver(agent, body, url, plan) {
  const headers = {
    "Content-Type": "application/x-protobuf",
    "Accept-Encoding": "gzip",
    "OpAMP-Instance-UID": agent.state.identity.uid,
    ...(plan.settings.token === undefined ? {} : { Authorization: `Bearer ${plan.settings.token}` }),
  };
  const sentAtMs = Date.now();
  for (let attempt = 0; ; attempt++) {
    const response = await http.asyncRequest("POST", url, body.buffer, {
      headers,
      responseType: "binary",
      tags: { name: "opamp" },
      timeout: Math.min(REPLY_TIMEOUT_MS, Math.max(0, plan.endsAtMs - Date.now()) + LAST_REPLY_MS),
    });
    if (response.status === 200) return measure(response, attempt === 0 ? 0 : Date.now() - sentAtMs);
    metrics.connectFailures.add(1);
    warnOnce(`an agent was turned away: ${response.error || `status ${response.status}`}`);
    // Any other answer is for good: the client lets go of the message, and the next one shows a gap.
    if (![0, 429, 503].includes(response.status)) return null;
    const retryAfterMs = parseRetryAfter(response.headers["Retry-After"], Date.now());
    const waitMs = retryMs(OPAMP_BACKOFF, attempt, Math.random(), retryAfterMs);
    if (Date.now() + waitMs >= plan.endsAtMs) return null;
    await delay(waitMs);
  }
}

/** `sinceMs`: how long ago the first try was, when this was not it. */
function measure(response, sinceMs) {
  const reply = decodeReply(new Uint8Array(response.body));
  if (reply instanceof ProtocolError || reply.error !== undefined) metrics.errorReplies.add(1);
  if (reply instanceof ProtocolError) return null;
  metrics.pollReplyMs.add(Math.max(sinceMs, response.timings.duration));
  return reply;
}

function delay(ms) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
