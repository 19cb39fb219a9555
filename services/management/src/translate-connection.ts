// Connection settings: the API's words ⇄ what OpAMP offers. Pure. Back to the API only without secrets.

import { create, fromBinary, type MessageInitShape, toBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { FleetError } from "@muster/fleet";
import {
  type ConnectionSettings,
  ConnectionSettingsSchema,
  type OfferedConnectionSettingsSchema,
  type OpampConnection,
  type OtherConnection,
  type ProxySettings,
  type TelemetryConnection,
  type TlsCertificate,
} from "@muster/protocol/muster/connections";
import {
  type ConnectionSettingsOffers,
  ConnectionSettingsOffersSchema,
  type Headers,
  type HeadersSchema,
  type OpAMPConnectionSettings,
  type OtherConnectionSettings,
  type ProxyConnectionSettings,
  type TelemetryConnectionSettings,
  type TLSCertificate,
  type TLSConnectionSettings,
} from "@muster/protocol/opamp";
import type { SettingsRecord } from "@muster/store";
import { assessConnection, DEFAULT_HEARTBEAT_SECONDS } from "./assess-connection.ts";
import { MAX_OFFER_BYTES } from "./assess-parts.ts";
import { hashOf } from "./canonical.ts";
import { invalid } from "./checked.ts";

/** Settings of a request that may be offered. */
export interface CheckedSettings extends Pick<SettingsRecord, "hash" | "body"> {
  readonly settings: ConnectionSettings;
}

/** The settings of a request. @throws FleetError `invalid` with everything that is wrong */
export function parseConnection(given: ConnectionSettings | undefined): CheckedSettings {
  if (given === undefined) throw invalid("settings", "is missing.");
  const violations = assessConnection(given);
  if (violations.length > 0) throw FleetError.invalid(violations);
  const { opamp } = given;
  const seconds = opamp?.heartbeatIntervalSeconds || DEFAULT_HEARTBEAT_SECONDS;
  const settings = opamp === undefined ? given : { ...given, opamp: { ...opamp, heartbeatIntervalSeconds: seconds } };
  const body = toBinary(ConnectionSettingsOffersSchema, create(ConnectionSettingsOffersSchema, toOffers(settings)));
  if (body.byteLength > MAX_OFFER_BYTES) {
    throw invalid("settings", `${body.byteLength} bytes are more than the ${MAX_OFFER_BYTES} they may have.`);
  }
  return { settings, body, hash: hashOf(toJson(ConnectionSettingsSchema, settings)).toString("hex") };
}

/** Stored settings as the API answers them: without values of headers and private keys. */
export function toOffered({
  hash,
  setAtMs,
  body,
}: SettingsRecord): MessageInitShape<typeof OfferedConnectionSettingsSchema> {
  const settings = fromOffers(fromBinary(ConnectionSettingsOffersSchema, body));
  return { hash, settings, setTime: timestampFromMs(setAtMs) };
}

function toOffers(settings: ConnectionSettings): MessageInitShape<typeof ConnectionSettingsOffersSchema> {
  const { opamp, ownMetrics, ownTraces, ownLogs, otherConnections } = settings;
  return {
    ...(opamp !== undefined && { opamp: toOpamp(opamp) }),
    ...(ownMetrics !== undefined && { ownMetrics: toCommon(ownMetrics) }),
    ...(ownTraces !== undefined && { ownTraces: toCommon(ownTraces) }),
    ...(ownLogs !== undefined && { ownLogs: toCommon(ownLogs) }),
    otherConnections: Object.fromEntries(Object.entries(otherConnections).map(([name, each]) => [name, toOther(each)])),
  };
}

function toOpamp(connection: OpampConnection) {
  return { ...toCommon(connection), heartbeatIntervalSeconds: connection.heartbeatIntervalSeconds };
}

function toOther(connection: OtherConnection) {
  return { ...toCommon(connection), otherSettings: connection.otherSettings };
}

/** Headers are there even when there are none: without them an agent keeps those it had. */
function toCommon(connection: OpampConnection | TelemetryConnection | OtherConnection) {
  const { destinationEndpoint, headers, certificate, tls, proxy } = connection;
  return {
    destinationEndpoint,
    headers: toHeaders(headers),
    ...(certificate !== undefined && { certificate: toCertificate(certificate) }),
    ...(tls !== undefined && { tls: withoutType(tls) }),
    ...(proxy !== undefined && { proxy: toProxy(proxy) }),
  };
}

/** Headers of the API as OpAMP has them, in the order of their names. */
export function toHeaders(headers: Readonly<Record<string, string>>): MessageInitShape<typeof HeadersSchema> {
  const sorted = Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1));
  return { headers: sorted.map(([key, value]) => ({ key, value })) };
}

function toCertificate({ certificatePem, privateKeyPem, caCertificatePem }: TlsCertificate) {
  return {
    cert: Buffer.from(certificatePem),
    privateKey: Buffer.from(privateKeyPem),
    caCert: Buffer.from(caCertificatePem),
  };
}

function toProxy({ url, connectHeaders }: ProxySettings) {
  return { url, connectHeaders: toHeaders(connectHeaders) };
}

/** TLS settings have the same fields on both sides. */
function withoutType(tls: TLSConnectionSettings | NonNullable<OpampConnection["tls"]>) {
  const { caPemContents, includeSystemCaCertsPool, insecureSkipVerify, minVersion, maxVersion, cipherSuites } = tls;
  return { caPemContents, includeSystemCaCertsPool, insecureSkipVerify, minVersion, maxVersion, cipherSuites };
}

function fromOffers(offers: ConnectionSettingsOffers): MessageInitShape<typeof ConnectionSettingsSchema> {
  const { opamp, ownMetrics, ownTraces, ownLogs, otherConnections } = offers;
  return {
    ...(opamp !== undefined && {
      opamp: { ...fromCommon(opamp), heartbeatIntervalSeconds: opamp.heartbeatIntervalSeconds },
    }),
    ...(ownMetrics !== undefined && { ownMetrics: fromCommon(ownMetrics) }),
    ...(ownTraces !== undefined && { ownTraces: fromCommon(ownTraces) }),
    ...(ownLogs !== undefined && { ownLogs: fromCommon(ownLogs) }),
    otherConnections: Object.fromEntries(
      Object.entries(otherConnections).map(([name, each]) => [name, fromOther(each)]),
    ),
  };
}

function fromOther(connection: OtherConnectionSettings) {
  return { ...fromCommon(connection), otherSettings: withoutValues(Object.keys(connection.otherSettings)) };
}

function fromCommon(connection: OpAMPConnectionSettings | TelemetryConnectionSettings | OtherConnectionSettings) {
  const { destinationEndpoint, headers, certificate, tls, proxy } = connection;
  return {
    destinationEndpoint,
    headers: fromHeaders(headers),
    ...(certificate !== undefined && { certificate: fromCertificate(certificate) }),
    ...(tls !== undefined && { tls: withoutType(tls) }),
    ...(proxy !== undefined && { proxy: fromProxy(proxy) }),
  };
}

/** Headers of OpAMP as the API answers them: names only. */
export function fromHeaders(headers: Headers | undefined): { [name: string]: string } {
  return withoutValues((headers?.headers ?? []).map(({ key }) => key));
}

function withoutValues(names: readonly string[]): { [name: string]: string } {
  return Object.fromEntries(names.map((name) => [name, ""]));
}

function fromCertificate({ cert, caCert }: TLSCertificate) {
  return { certificatePem: Buffer.from(cert).toString(), caCertificatePem: Buffer.from(caCert).toString() };
}

function fromProxy({ url, connectHeaders }: ProxyConnectionSettings) {
  return { url: withoutPassword(url), connectHeaders: fromHeaders(connectHeaders) };
}

/** A proxy's URL often carries its credentials. */
function withoutPassword(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.username === "" && url.password === "")) return text;
  url.username = "";
  url.password = "";
  return url.href;
}
