// What operators do over the gRPC API: look at an agent; and one rollout: publish, wait until the plan reaches the fleet, start,
// watch, and never leave it running. Calls block, so this has a virtual user of its own.

import { sleep } from "k6";
import { b64encode } from "k6/encoding";
import grpc from "k6/net/grpc";

const client = new grpc.Client();
client.load(
  [decodeURIComponent(import.meta.resolve("../../../proto").replace(/^file:\/\//, ""))],
  "muster/v1/agents.proto",
  "muster/v1/configs.proto",
  "muster/v1/rollouts.proto",
);

const ASK_AGAIN_SECONDS = 0.25;
const CALL_TIMEOUT = "30s";
/** Of a call that is made again and again. */
const LOOK_TIMEOUT = "5s";
/** While a service restarts nobody answers, or not in time: that is asked again. */
const PASSING = [grpc.StatusUnavailable, grpc.StatusDeadlineExceeded];
const ENDED = ["SUCCEEDED", "HALTED", "INVALID", "REJECTED", "REVERTED"].map((phase) => `ROLLOUT_PHASE_${phase}`);

/** The line of a config by which the agents of a run know when its rollout started. */
const startedAt = (configId) => `# ${configId} started at `;

/** When the rollout of this run started, by this machine's clock; undefined when these files are not of that rollout. */
export function startedAtMsOf(configId, files) {
  for (const { body } of files) {
    // Files of others may be anything; ours begins with plain ASCII.
    const [line] = String.fromCharCode(...body.subarray(0, MAX_LINE_BYTES)).split("\n", 1);
    if (line.startsWith(startedAt(configId))) return Number(line.slice(startedAt(configId).length));
  }
  return undefined;
}

const MAX_LINE_BYTES = 200;

/** Connects and creates the config of this run, for agents that `selector` matches. */
export function openConfig(management, configId, selector) {
  connect(management);
  call("ConfigService/CreateConfig", { configId, selector, description: "made by a load test" });
  publish(configId, `# before\n${CONFIG}`);
}

const CONFIG = `receivers: {nop: {}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}
`;

/** Waits until a rollout would reach so many agents, or until `endsAtMs`; answers how many it would. */
export function awaitTargets(configId, agents, endsAtMs) {
  for (;;) {
    const targeted = Number(call("RolloutService/PlanRollout", { rollout: request(configId) }).targeted ?? 0);
    if (targeted >= agents || Date.now() >= endsAtMs) return targeted;
    sleep(ASK_AGAIN_SECONDS);
  }
}

/** Starts a rollout to all in one stage. The revision says when, so publishing it is part of what agents measure. */
export function startRollout(configId) {
  const startedAtMs = Date.now();
  publish(configId, `${startedAt(configId)}${startedAtMs}\n${CONFIG}`);
  const { rollout } = call("RolloutService/StartRollout", request(configId));
  return { rolloutId: rollout.rolloutId, startedAtMs };
}

/** Waits until the rollout ended, or until `endsAtMs`; answers its phase as far as it is known. */
export function awaitEnd(rolloutId, endsAtMs) {
  let phase = "unknown";
  for (;;) {
    const response = invoke("RolloutService/GetRollout", { rolloutId }, LOOK_TIMEOUT);
    if (!PASSING.includes(response.status)) phase = mustBeOk("RolloutService/GetRollout", response).rollout.phase;
    if (ENDED.includes(phase) || Date.now() >= endsAtMs) return phase;
    sleep(ASK_AGAIN_SECONDS);
  }
}

/** When the health was taken that operators see of an agent, milliseconds since 1970; 0 when they see none. */
export function healthAtMs(instanceUid) {
  const response = invoke("AgentService/GetAgent", { instanceUid }, LOOK_TIMEOUT);
  if (PASSING.includes(response.status) || response.status === grpc.StatusNotFound) return 0;
  const { agent } = mustBeOk("AgentService/GetAgent", response);
  return Date.parse(agent.health?.statusTime ?? 0);
}

/** Ends the rollout that is still at work on this run's config, if any, so that nobody finds a load test's later on. */
export function closeConfig(management, configId) {
  connect(management);
  const { config } = call("ConfigService/GetConfig", { configId });
  const rolloutId = config.activeRolloutId ?? "";
  if (rolloutId !== "") call("RolloutService/AbortRollout", { rolloutId, reason: "the load test is over" });
  client.close();
}

/** Connects this virtual user; its calls go there. */
export function connect({ address, isTls }) {
  client.connect(address, { plaintext: !isTls, timeout: CALL_TIMEOUT });
}

function request(configId) {
  const second = "1s";
  return {
    configId,
    reason: "load test",
    stages: [{ percent: 100, bake: second }],
    // As fast as it goes: what is measured is how offers reach agents, not how long a rollout waits on purpose. All agents
    // must take part, and a single failure ends it.
    settings: { timing: { soak: "0s", finalBake: second }, minReachedPercent: 100 },
  };
}

function publish(configId, body) {
  call("ConfigService/PublishRevision", { configId, files: [{ name: "load-test.yaml", body: b64encode(body) }] });
}

function call(method, message) {
  return mustBeOk(method, invoke(method, message, CALL_TIMEOUT));
}

function invoke(method, message, timeout) {
  const metadata = { "muster-user": "load-test" };
  return client.invoke(`muster.v1.${method}`, message, { metadata, timeout });
}

function mustBeOk(method, response) {
  if (response.status === grpc.StatusOK) return response.message;
  throw new Error(`${method} failed with code ${response.status}: ${response.error?.message ?? "no message"}`);
}
