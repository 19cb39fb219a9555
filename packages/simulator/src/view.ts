// What tests and load runs see of an agent: an excerpt of its state, and running totals. Pure.

import type { AgentState, ConfigStatus, Health, Phase } from "./state.ts";
import { FIRST_PID } from "./supervisor.ts";

/** What can be seen of an agent from outside, at one instant. */
export interface AgentView {
  readonly uid: string;
  readonly phase: Phase;
  readonly connected: boolean;
  readonly endpoint: string;
  /** Number of the next message. */
  readonly sequenceNum: number;
  /** The config status as the agent would report it now. */
  readonly config: ConfigStatus;
  readonly collector: AgentState["collector"]["kind"];
  /** The config in force: hash of its offer ("" for the base config) and names of its files. */
  readonly running: { readonly hash: string; readonly files: readonly string[] };
  readonly health: Health;
  /** How often a Collector was started on this machine. */
  readonly collectorStartsCount: number;
}

/** What an agent has sent and seen since it was created. */
export interface AgentCounts {
  connects: number;
  sent: number;
  received: number;
  offers: number;
  fullStateRequests: number;
  errors: number;
  refusals: number;
}

/** Totals of an agent that has done nothing yet. */
export function createCounts(): AgentCounts {
  return { connects: 0, sent: 0, received: 0, offers: 0, fullStateRequests: 0, errors: 0, refusals: 0 };
}

/** The part of an agent's state that is worth asserting. */
export function viewOf(state: AgentState, connected: boolean): AgentView {
  return {
    uid: state.uid,
    phase: state.phase,
    connected,
    endpoint: state.endpoint,
    sequenceNum: state.sequenceNum,
    config: state.status,
    collector: state.collector.kind,
    running: { hash: state.currentHash, files: state.current.files.map((file) => file.name) },
    health: state.health,
    collectorStartsCount: state.nextPid - FIRST_PID,
  };
}
