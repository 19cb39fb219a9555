// Between OpAMP's words and those of Muster's API, both ways. Pure. Called by muster-driver.ts.

import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { Agent, AgentHealth, AvailableComponents, PackageStatuses } from "@muster/protocol/muster/agents";
import { PackageState, RemoteConfigState } from "@muster/protocol/muster/agents";
import type { ConnectionSettingsSchema } from "@muster/protocol/muster/connections";
import { type PackageSchema, PackageType } from "@muster/protocol/muster/packages";
import {
  ConnectionSettingsOffersSchema,
  type Headers,
  type OtherConnectionSettings,
  PackageAvailableSchema,
  PackageType as WirePackageType,
} from "@muster/protocol/opamp";
import type {
  Connections,
  KnownAgent,
  KnownComponents,
  KnownHealth,
  KnownPackage,
  KnownState,
  KnownStatus,
  Packages,
} from "./driver.ts";
import { AGENT_CAPABILITY_NAMES } from "./wire.ts";

const STATES: Readonly<Record<number, KnownState>> = {
  [RemoteConfigState.UNSPECIFIED]: "unset",
  [RemoteConfigState.APPLIED]: "applied",
  [RemoteConfigState.APPLYING]: "applying",
  [RemoteConfigState.FAILED]: "failed",
};

const PACKAGE_STATES: Readonly<Record<number, KnownPackage["state"]>> = {
  [PackageState.UNSPECIFIED]: "unknown",
  [PackageState.INSTALLED]: "installed",
  [PackageState.INSTALL_PENDING]: "install-pending",
  [PackageState.INSTALLING]: "installing",
  [PackageState.INSTALL_FAILED]: "install-failed",
  [PackageState.DOWNLOADING]: "downloading",
};

/** Settings as Muster's API takes them. */
export function toConnectionSettings(settings: Connections): MessageInitShape<typeof ConnectionSettingsSchema> {
  const { opamp, ownMetrics, ownTraces, ownLogs, otherConnections } = create(ConnectionSettingsOffersSchema, settings);
  return {
    ...(opamp === undefined
      ? {}
      : { opamp: { ...toConnection(opamp), heartbeatIntervalSeconds: opamp.heartbeatIntervalSeconds } }),
    ...(ownMetrics === undefined ? {} : { ownMetrics: toConnection(ownMetrics) }),
    ...(ownTraces === undefined ? {} : { ownTraces: toConnection(ownTraces) }),
    ...(ownLogs === undefined ? {} : { ownLogs: toConnection(ownLogs) }),
    otherConnections: Object.fromEntries(
      Object.entries(otherConnections).map(([name, other]) => [
        name,
        { ...toConnection(other), otherSettings: other.otherSettings },
      ]),
    ),
  };
}

/** What all kinds of connections have. */
type AnyConnection = Pick<OtherConnectionSettings, "destinationEndpoint" | "headers" | "certificate" | "tls" | "proxy">;

function toConnection({ destinationEndpoint, headers, certificate, tls, proxy }: AnyConnection) {
  return {
    destinationEndpoint,
    headers: toMap(headers),
    ...(certificate === undefined
      ? {}
      : {
          certificate: {
            certificatePem: textOf(certificate.cert),
            privateKeyPem: textOf(certificate.privateKey),
            caCertificatePem: textOf(certificate.caCert),
          },
        }),
    ...(tls === undefined ? {} : { tls: toTls(tls) }),
    ...(proxy === undefined ? {} : { proxy: { url: proxy.url, connectHeaders: toMap(proxy.connectHeaders) } }),
  };
}

function toTls({ $typeName: _name, $unknown: _unknown, ...tls }: NonNullable<AnyConnection["tls"]>) {
  return tls;
}

function toMap(headers: Headers | undefined): Record<string, string> {
  return Object.fromEntries((headers?.headers ?? []).map(({ key, value }) => [key, value]));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

/** Packages as Muster's API takes them. */
export function toPackages(packages: Packages): Record<string, MessageInitShape<typeof PackageSchema>> {
  return Object.fromEntries(
    Object.entries(packages).map(([name, wanted]) => {
      const { type, version, file } = create(PackageAvailableSchema, wanted);
      const isAddon = type === WirePackageType.PackageType_Addon;
      return [
        name,
        {
          type: isAddon ? PackageType.ADDON : PackageType.TOP_LEVEL,
          version,
          downloadUrl: file?.downloadUrl ?? "",
          contentHash: Buffer.from(file?.contentHash ?? []).toString("hex"),
          signature: file?.signature ?? new Uint8Array(),
          headers: toMap(file?.headers),
        },
      ];
    }),
  );
}

/** What Muster knows of an agent. */
export function knownAgent(agent: Agent): KnownAgent {
  return {
    uid: agent.instanceUid,
    isConnected: agent.connection?.connected ?? false,
    capabilities: maskOf(agent.capabilities),
    attributes: plain({ ...agent.identifyingAttributes, ...agent.nonIdentifyingAttributes }),
    health: agent.health === undefined ? null : knownHealth(agent.health),
    configStatus: knownStatus(agent.remoteConfigStatus),
    effectiveConfig:
      agent.effectiveConfig === undefined
        ? null
        : new Map(agent.effectiveConfig.files.map((file) => [file.name, { ...file }])),
    packages: knownPackages(agent.packageStatuses),
    connectionStatus: knownStatus(agent.connectionSettingsStatus),
    customCapabilities: agent.customCapabilities,
    customMessages: agent.customMessages,
    components: knownComponents(agent.availableComponents),
    unrecognized: Buffer.concat(Object.values(agent.unrecognized)),
  };
}

/** `AcceptsRemoteConfig` is a bit with a name, `bit-40` one without. */
function maskOf(names: readonly string[]): bigint {
  const bits = names.map((name) => {
    const nameless = /^bit-(\d+)$/.exec(name)?.[1];
    return nameless === undefined ? (AGENT_CAPABILITY_NAMES[name] ?? 0n) : 1n << BigInt(nameless);
  });
  return bits.reduce((mask, bit) => mask | bit, 0n);
}

function plain(values: Readonly<Record<string, Value>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, toJson(ValueSchema, value)]));
}

function knownHealth({ healthy, status, lastError, components, attributes }: AgentHealth): KnownHealth {
  const parts = Object.entries(components).map(([name, part]) => [name, knownHealth(part)] as const);
  return { healthy, status, lastError, attributes: plain(attributes), components: new Map(parts) };
}

function knownStatus(
  status: { readonly state: RemoteConfigState; readonly hash: string; readonly errorMessage: string } | undefined,
): KnownStatus | null {
  if (status === undefined) return null;
  return { state: STATES[status.state] ?? "unset", hash: status.hash, error: status.errorMessage };
}

function knownPackages(statuses: PackageStatuses | undefined): KnownAgent["packages"] {
  if (statuses === undefined) return null;
  const byName = Object.entries(statuses.packages).map(([name, each]): readonly [string, KnownPackage] => [
    name,
    {
      state: PACKAGE_STATES[each.state] ?? "unknown",
      agentVersion: each.agentVersion,
      offeredVersion: each.offeredVersion,
      error: each.errorMessage,
      downloadPercent: each.downloadPercent ?? null,
    },
  ]);
  return { byName: new Map(byName), hash: statuses.allPackagesHash, error: statuses.errorMessage };
}

function knownComponents(available: AvailableComponents | undefined): KnownComponents | null {
  if (available === undefined) return null;
  const kinds = Object.entries(available.components).map(
    ([kind, { subComponents }]) => [kind, Object.keys(subComponents).sort()] as const,
  );
  return { hash: available.hash, components: new Map(kinds) };
}
