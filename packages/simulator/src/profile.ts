// Profiles: the kinds of agents found in the field, as data.
//
//   supervisor           OpAMP supervisor 0.149: applies, fails and keeps what it got; never goes back by itself
//   supervisor-rollback  the same with automatic_config_rollback
//   extension            opampextension inside a Collector: reports, accepts nothing

import type { AgentCapability } from "@muster/protocol";
import { agentCapabilityMask } from "@muster/protocol";
import type { Compose } from "./compose.ts";

/** Kinds of agents. */
export const PROFILES = ["supervisor", "supervisor-rollback", "extension"] as const;

/** One kind of agent. */
export type Profile = (typeof PROFILES)[number];

/** Everything in which agents can differ apart from identity. One object is shared by many agents. */
export interface Behaviour {
  readonly profile: Profile;
  /** Agent capability bitmask. */
  readonly capabilities: bigint;
  /** From a config change to its verdict: `config_apply_timeout`. */
  readonly applyTimeoutMs: number;
  /** From the start of a Collector to healthy. */
  readonly startMs: number;
  /** From the start of a Collector on a broken config to its end. */
  readonly crashMs: number;
  /** From the end of a Collector to the next start. */
  readonly crashRestartMs: number;
  /** Between heartbeats or polls; 0 means none. */
  readonly heartbeatMs: number;
  /** `automatic_config_rollback`. */
  readonly rollsBack: boolean;
  /** `agent.validate_config`. */
  readonly validates: boolean;
  /** A uid given by the server survives restarts. */
  readonly keepsUid: boolean;
  /** Half-duplex transport: one request at a time, no goodbye. */
  readonly halfDuplex: boolean;
  /** Says goodbye over plain HTTP too, which clients in the field do not do yet. */
  readonly disconnectsOverHttp: boolean;
  /** Asks the server for a lasting uid until it gets one. */
  readonly requestsUid: boolean;
  /** content_type of the effective config. */
  readonly effectiveContentType: string;
  readonly compose: Compose;
}

/** What a caller may choose about a behaviour; the profile decides the rest. */
export interface BehaviourOptions {
  /** Default `supervisor`. */
  readonly profile?: Profile;
  /** Default 5000. */
  readonly applyTimeoutMs?: number;
  /** Default 45. */
  readonly startMs?: number;
  /** Default 15. */
  readonly crashMs?: number;
  /** Default 5000. */
  readonly crashRestartMs?: number;
  /** Default 30,000. */
  readonly heartbeatMs?: number;
  /** Default true for supervisors. Real ones have it off by default; most fleets switch it on. */
  readonly reportsRemoteConfig?: boolean;
  /** Default false. */
  readonly validates?: boolean;
  /** Default false. */
  readonly disconnectsOverHttp?: boolean;
  /** Sets RequestInstanceUid until the server gives a uid. Default false. */
  readonly requestsUid?: boolean;
  /** Bits to add to those of the profile. */
  readonly addCapabilities?: readonly AgentCapability[];
  /** Bits to remove, last. */
  readonly dropCapabilities?: readonly AgentCapability[];
}

const REPORTING: readonly AgentCapability[] = [
  "ReportsStatus",
  "ReportsEffectiveConfig",
  "ReportsHealth",
  "ReportsAvailableComponents",
];

const SUPERVISED: readonly AgentCapability[] = [
  ...REPORTING,
  "AcceptsRemoteConfig",
  "ReportsRemoteConfig",
  "AcceptsRestartCommand",
  "AcceptsOpAMPConnectionSettings",
  "ReportsOwnMetrics",
  "ReportsHeartbeat",
];

const CAPABILITIES = {
  supervisor: SUPERVISED,
  "supervisor-rollback": SUPERVISED,
  extension: REPORTING,
} as const satisfies Record<Profile, readonly AgentCapability[]>;

/** Completes a behaviour from a profile and the caller's choices. */
export function resolveBehaviour(options: BehaviourOptions, halfDuplex: boolean, compose: Compose): Behaviour {
  const profile = options.profile ?? "supervisor";
  const dropped = new Set<AgentCapability>(options.dropCapabilities);
  if (options.reportsRemoteConfig === false) dropped.add("ReportsRemoteConfig");
  const names = [...CAPABILITIES[profile], ...(options.addCapabilities ?? [])].filter((name) => !dropped.has(name));
  return {
    profile,
    capabilities: agentCapabilityMask(names),
    applyTimeoutMs: options.applyTimeoutMs ?? 5000,
    startMs: options.startMs ?? 45,
    crashMs: options.crashMs ?? 15,
    crashRestartMs: options.crashRestartMs ?? 5000,
    heartbeatMs: options.heartbeatMs ?? 30_000,
    rollsBack: profile === "supervisor-rollback",
    validates: options.validates ?? false,
    keepsUid: profile !== "extension",
    halfDuplex,
    disconnectsOverHttp: options.disconnectsOverHttp ?? false,
    requestsUid: options.requestsUid ?? false,
    effectiveContentType: profile === "extension" ? "text/yaml" : "",
    compose,
  };
}
