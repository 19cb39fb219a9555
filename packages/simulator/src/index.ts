// @muster/simulator: a fleet to test against. Real OpAMP clients over real sockets, thousands in one process,
// that behave as supervisors in the field do, and misbehave on request.
//
//   fleet.ts          many agents: identities, endpoints, pacing
//   agent.ts          one agent: socket, timers, observation
//   supervisor.ts     the agent as a pure state machine (receive.ts, apply.ts, report.ts are its parts)
//   misbehaviour.ts   going wrong on purpose
//   collector.ts      the simulated Collector: what a config comes to (merge.ts, compose.ts)
//   profile.ts        kinds of agents
//   transport-*.ts    WebSocket and plain HTTP
//   main.ts           a fleet as a process

export type { AgentOptions } from "./agent.ts";
export { Agent } from "./agent.ts";
export type { Backoff } from "./backoff.ts";
export { backoffMs, OPAMP_BACKOFF, parseRetryAfter, retryMs } from "./backoff.ts";
export type { AgentEvent } from "./event.ts";
export type { Fleet, FleetCounts, FleetOptions } from "./fleet.ts";
export { startFleet } from "./fleet.ts";
export { createIdentity } from "./identity.ts";
export type { Misbehaviour } from "./misbehaviour.ts";
export type { Behaviour, BehaviourOptions, Profile } from "./profile.ts";
export { PROFILES } from "./profile.ts";
export type { AttributePairs, ConfigStatus, Health, Identity } from "./state.ts";
export type { AgentCounts, AgentView } from "./view.ts";
