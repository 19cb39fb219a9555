// What an operator does, so that a server has something to say: the part of a run that OpAMP does not define. Settings
// and packages are put in OpAMP's own words; a driver translates them into its server's. muster-driver.ts is ours.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectionSettingsOffersSchema, PackageAvailableSchema } from "@muster/protocol/opamp";

/** A file of a config. */
export interface OfferedFile {
  readonly name: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Connection settings; the server makes the hash. */
export type Connections = MessageInitShape<typeof ConnectionSettingsOffersSchema>;

/** Packages by name; the server makes the hashes. */
export type Packages = Readonly<Record<string, MessageInitShape<typeof PackageAvailableSchema>>>;

/** State of a config or of settings. */
export type KnownState = "unset" | "applied" | "applying" | "failed";

/** What the server knows of the agent's word on a config or on settings. */
export interface KnownStatus {
  readonly state: KnownState;
  /** Hexadecimal. */
  readonly hash: string;
  readonly error: string;
}

/** Health as the server knows it. */
export interface KnownHealth {
  readonly healthy: boolean;
  readonly status: string;
  readonly lastError: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly components: ReadonlyMap<string, KnownHealth>;
}

/** One package as the server knows it. */
export interface KnownPackage {
  readonly state: "installed" | "install-pending" | "installing" | "install-failed" | "downloading" | "unknown";
  readonly agentVersion: string;
  readonly offeredVersion: string;
  readonly error: string;
  readonly downloadPercent: number | null;
}

/** Components as the server knows them. */
export interface KnownComponents {
  readonly hash: string;
  /** Names of components by the name of their kind. */
  readonly components: ReadonlyMap<string, readonly string[]>;
}

/** What the server knows of an agent; null where it knows nothing. */
export interface KnownAgent {
  readonly uid: string;
  readonly isConnected: boolean;
  readonly capabilities: bigint;
  /** Identifying and other attributes. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly health: KnownHealth | null;
  readonly configStatus: KnownStatus | null;
  readonly effectiveConfig: ReadonlyMap<string, OfferedFile> | null;
  readonly packages: {
    readonly byName: ReadonlyMap<string, KnownPackage>;
    readonly hash: string;
    readonly error: string;
  } | null;
  readonly connectionStatus: KnownStatus | null;
  readonly customCapabilities: readonly string[];
  readonly customMessages: readonly { readonly capability: string; readonly type: string; readonly data: Uint8Array }[];
  readonly components: KnownComponents | null;
  /** Parts with fields or values that the server does not know, as they came, all in one. */
  readonly unrecognized: Uint8Array;
}

/** The server refuses what it is told, and says why. */
export class Refused extends Error {}

/** Somebody who tells the server what to do. Every method rejects with Refused when the server refuses. */
export interface Driver {
  /** Has this agent and no other run these files; a second time these instead. Returns once the server has taken it. */
  offerConfig(uid: string, files: readonly OfferedFile[]): Promise<void>;
  restart(uid: string): Promise<void>;
  /** Asks for the agent's full state. */
  refresh(uid: string): Promise<void>;
  sendCustomMessage(uid: string, capability: string, type: string, data: Uint8Array): Promise<void>;
  offerConnectionSettings(uid: string, settings: Connections): Promise<void>;
  offerPackages(uid: string, packages: Packages): Promise<void>;
  /** null when the server does not know it. */
  getAgent(uid: string): Promise<KnownAgent | null>;
  close(): void;
}
