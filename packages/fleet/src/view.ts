// What is known of one agent, as data: the view that agent.ts folds from events and the projector keeps in Redis.

import type { Attempt } from "./attempt.ts";
import type {
  AckState,
  ActionKind,
  Attributes,
  DisconnectReason,
  Fence,
  Health,
  PackageReport,
  Transport,
} from "./event.ts";
import type { ConfigHash, GatewayId, InstanceUid } from "./ids.ts";
import type { OperatorLabels } from "./metadata.ts";
import type { OwnUsage } from "./own-metrics.ts";

/** One aspect of an agent as last reported, with the fence that guards it (A1). */
export interface Facet<Value> extends Fence {
  readonly atMs: number;
  readonly value: Value;
}

/** Health, and since when an agent is as well or unwell as it says. */
export interface HealthFacet extends Facet<Health> {
  readonly sinceMs: number;
  /** How often it became unhealthy since it was last offered a config. */
  readonly drops: number;
}

/** A session with a gateway, live or ended. */
export interface Connection {
  readonly gateway: GatewayId | null;
  readonly transport: Transport | null;
  readonly remoteAddress: string;
  readonly connectedAtMs: number;
  /** null while live. */
  readonly ended: { readonly reason: DisconnectReason; readonly atMs: number } | null;
}

/** What an agent says it is and where it runs; selectors match both lists (selector.ts). */
export interface Description {
  readonly identifying: Attributes;
  readonly nonIdentifying: Attributes;
}

/** What an agent last said of a remote config. Its claim: health and effective config prove it (assess.ts). */
export interface Acknowledgement {
  /** Which config. */
  readonly hash: ConfigHash;
  readonly state: AckState;
  /** Why it failed, in the agent's words; "" when it did not. */
  readonly error: string;
}

/** Where what an agent says it runs is kept: it may hold secrets, so the view holds no more than its address. */
export interface EffectiveConfigRef {
  /** Address of the sealed body in the agent's partition. */
  readonly body: string;
  readonly sizeBytes: number;
}

/** What an agent last said of packages. */
export interface PackagesReport {
  readonly packages: readonly PackageReport[];
  /** Hash of the whole offer that the agent last received, lower-case hexadecimal. */
  readonly allHash: string;
  /** Why the whole offer failed, in the agent's words; "" when it did not. */
  readonly error: string;
}

/** What an agent last said of offered connection settings. */
export interface SettingsAcknowledgement {
  /** Which offer, lower-case hexadecimal. */
  readonly settings: string;
  readonly state: AckState;
  /** Why it failed, in the agent's words; "" when it did not. */
  readonly error: string;
}

/** The components an agent can run, by hash: told by one agent, they are known of all with the same hash. */
export interface InventoryRef {
  /** The agent's own hash of its components, lower-case hexadecimal. */
  readonly inventory: string;
  /** Where the inventory is kept, once for all agents that have it, if any of them told it. */
  readonly address: string;
}

/** A custom message of the agent. */
export interface CustomMessage extends Fence {
  readonly atMs: number;
  readonly capability: string;
  readonly type: string;
  /** Address of the sealed content; null when it was too large to keep. */
  readonly body: string | null;
  readonly sizeBytes: number;
}

/** A part of the agent's reports with fields or values that this version does not know. */
export interface UnrecognizedPart extends Fence {
  readonly part: string;
  /** Address of the sealed part; null when nothing unknown is in it any more. */
  readonly body: string | null;
}

/** Something the agent was asked once. */
export interface SentAction extends Fence {
  readonly atMs: number;
  readonly actionId: string;
  readonly action: ActionKind;
}

/** Whether an agent shows what it says it runs. */
export interface Drift {
  /** What its effective config was compared with. */
  readonly hash: ConfigHash;
  readonly isDrifted: boolean;
}

/** How often an agent started again. */
export interface Runs {
  readonly restarts: number;
  /** Nanoseconds since 1970 as decimal text: when it last started before it stopped; "" while its health says it. */
  readonly lastStart: string;
}

/** Everything known of one agent. */
export interface AgentView {
  readonly uid: InstanceUid;
  readonly firstSeenAtMs: number;
  readonly connection: Facet<Connection> | null;
  readonly description: Facet<Description> | null;
  readonly capabilities: Facet<readonly string[]> | null;
  readonly health: HealthFacet | null;
  readonly acknowledgement: Facet<Acknowledgement> | null;
  readonly effectiveConfig: Facet<EffectiveConfigRef> | null;
  /** Newest last, bounded (attempt.ts). */
  readonly attempts: readonly Attempt[];
  readonly packages: Facet<PackagesReport> | null;
  readonly connectionSettings: Facet<SettingsAcknowledgement> | null;
  readonly customCapabilities: Facet<readonly string[]> | null;
  readonly components: Facet<InventoryRef> | null;
  /** What was last sent beside configs: the hash, lower-case hexadecimal. */
  readonly connectionOffer: Facet<string> | null;
  readonly packagesOffer: Facet<string> | null;
  /** Newest last, at most MAX_CUSTOM_MESSAGES. */
  readonly customMessages: readonly CustomMessage[];
  /** At most one per part. */
  readonly unrecognized: readonly UnrecognizedPart[];
  /** Newest last, at most MAX_ACTIONS. */
  readonly actions: readonly SentAction[];
  /** Uids it had before it was given this one, oldest first. */
  readonly previousUids: readonly InstanceUid[];
  /** What operators say of it: control state, which the projector looks up; null when nobody ever said anything. */
  readonly metadata: OperatorLabels | null;
  /** null: nobody can tell. */
  readonly drift: Drift | null;
  /** null: it was never seen to stop or to start again. */
  readonly runs: Runs | null;
  /** What its own metrics say that it takes. */
  readonly ownUsage: Facet<OwnUsage> | null;
}

/** The view of an agent of which nothing is known yet. */
export function unknownAgent(uid: InstanceUid, atMs: number): AgentView {
  return {
    uid,
    firstSeenAtMs: atMs,
    connection: null,
    description: null,
    capabilities: null,
    health: null,
    acknowledgement: null,
    effectiveConfig: null,
    attempts: [],
    packages: null,
    connectionSettings: null,
    customCapabilities: null,
    components: null,
    connectionOffer: null,
    packagesOffer: null,
    customMessages: [],
    unrecognized: [],
    actions: [],
    previousUids: [],
    metadata: null,
    drift: null,
    runs: null,
    ownUsage: null,
  };
}
