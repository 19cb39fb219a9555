// What agents report beside configs and health, in the API's words: packages, connection settings, components, custom
// messages. Fleet and OpAMP → proto. Pure.

import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type {
  AckState,
  CustomMessage,
  Facet,
  InventoryRef,
  PackageReport,
  PackageState,
  PackagesReport,
  SettingsAcknowledgement,
} from "@muster/fleet";
import { decodeAttributes } from "@muster/protocol";
import {
  type AvailableComponentsSchema,
  type ComponentDetails,
  ComponentDetailsSchema,
  type ConnectionSettingsStatusSchema,
  CustomMessageSchema,
  type PackageStatusesSchema,
  type PackageStatusSchema,
  type CustomMessage as ProtoCustomMessage,
  PackageState as ProtoPackageState,
  RemoteConfigState,
  type SentOfferSchema,
} from "@muster/protocol/muster/agents";
import {
  type ComponentDetails as OpampComponent,
  AvailableComponentsSchema as OpampSchema,
} from "@muster/protocol/opamp";
import { toAttributes } from "./translate-value.ts";

/** What agents say of an offer. */
export const ACK_STATES = {
  unset: RemoteConfigState.UNSPECIFIED,
  applied: RemoteConfigState.APPLIED,
  applying: RemoteConfigState.APPLYING,
  failed: RemoteConfigState.FAILED,
} as const satisfies Record<AckState, RemoteConfigState>;

const PACKAGE_STATES = {
  installed: ProtoPackageState.INSTALLED,
  install_pending: ProtoPackageState.INSTALL_PENDING,
  installing: ProtoPackageState.INSTALLING,
  install_failed: ProtoPackageState.INSTALL_FAILED,
  downloading: ProtoPackageState.DOWNLOADING,
  unknown: ProtoPackageState.UNSPECIFIED,
} as const satisfies Record<PackageState, ProtoPackageState>;

/** What an agent says of its packages. */
export function toPackageStatuses({
  value,
  atMs,
}: Facet<PackagesReport>): MessageInitShape<typeof PackageStatusesSchema> {
  return {
    packages: Object.fromEntries(value.packages.map((report) => [report.name, toPackageStatus(report)])),
    allPackagesHash: value.allHash,
    errorMessage: value.error,
    reportTime: timestampFromMs(atMs),
  };
}

function toPackageStatus(report: PackageReport): MessageInitShape<typeof PackageStatusSchema> {
  const { agentVersion, agentHash, offeredVersion, offeredHash, state, error } = report;
  const { downloadPercent, downloadBytesPerSecond } = report;
  return {
    agentVersion,
    agentHash,
    offeredVersion,
    offeredHash,
    state: PACKAGE_STATES[state],
    errorMessage: error,
    ...(isNumber(downloadPercent) && { downloadPercent }),
    ...(isNumber(downloadBytesPerSecond) && { downloadBytesPerSecond }),
  };
}

/** JSON has no NaN and no infinity. */
function isNumber(value: number | null): value is number {
  return value !== null && Number.isFinite(value);
}

/** What an agent says of offered connection settings. */
export function toConnectionSettingsStatus({
  value,
  atMs,
}: Facet<SettingsAcknowledgement>): MessageInitShape<typeof ConnectionSettingsStatusSchema> {
  const { settings, state, error } = value;
  return { state: ACK_STATES[state], hash: settings, errorMessage: error, reportTime: timestampFromMs(atMs) };
}

/** An offer that was sent. */
export function toSentOffer({ value, atMs }: Facet<string>): MessageInitShape<typeof SentOfferSchema> {
  return { hash: value, sendTime: timestampFromMs(atMs) };
}

/** The components an agent can run, without their tree. */
export function toComponentsRef({
  value,
  atMs,
}: Facet<InventoryRef>): MessageInitShape<typeof AvailableComponentsSchema> {
  return { hash: value.inventory, reportTime: timestampFromMs(atMs) };
}

/** Readers of protobuf stop at 100 messages within messages; components deeper than this are left out. */
const MAX_COMPONENT_LEVELS = 16;

/** The tree of a stored inventory, as the gateway wrote it: a serialized AvailableComponents of OpAMP. */
export function toComponents(body: Uint8Array): { [name: string]: ComponentDetails } {
  return toComponentMap(fromBinary(OpampSchema, body).components, MAX_COMPONENT_LEVELS);
}

function toComponentMap(
  components: { readonly [name: string]: OpampComponent },
  levels: number,
): { [name: string]: ComponentDetails } {
  if (levels === 0) return {};
  return Object.fromEntries(Object.entries(components).map(([name, part]) => [name, toComponent(part, levels - 1)]));
}

function toComponent({ metadata, subComponentMap }: OpampComponent, levels: number): ComponentDetails {
  const subComponents = toComponentMap(subComponentMap, levels);
  return create(ComponentDetailsSchema, { metadata: toAttributes(decodeAttributes(metadata)), subComponents });
}

/** A custom message of an agent, with its content if that is at hand. */
export function toCustomMessage(message: CustomMessage, data: Uint8Array | undefined): ProtoCustomMessage {
  const { capability, type, sizeBytes, atMs } = message;
  return create(CustomMessageSchema, {
    capability,
    type,
    sizeBytes: BigInt(sizeBytes),
    receiveTime: timestampFromMs(atMs),
    ...(data !== undefined && { data: Uint8Array.from(data) }),
  });
}
