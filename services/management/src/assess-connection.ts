// What is wrong with connection settings. Pure. A wrong endpoint loses an agent for good and a supervisor keeps nothing
// of what it had, so nothing is let through in the hope that the agent will refuse it.

import type { Violation } from "@muster/fleet";
import type {
  ConnectionSettings,
  OpampConnection,
  OtherConnection,
  ProxySettings,
  TelemetryConnection,
  TlsCertificate,
  TlsSettings,
} from "@muster/protocol/muster/connections";
import {
  assessCertificates,
  assessHeaders,
  assessKeyPair,
  assessUrl,
  hasPath,
  MAX_NAME_CHARS,
} from "./assess-parts.ts";

/** Seconds between heartbeats where settings do not say. */
export const DEFAULT_HEARTBEAT_SECONDS = 30n;
const MAX_HEARTBEAT_SECONDS = 86_400n;
const TLS_VERSIONS: readonly string[] = ["", "1.0", "1.1", "1.2", "1.3"];
const OWN_TELEMETRY = [
  ["own_metrics", "ownMetrics"],
  ["own_traces", "ownTraces"],
  ["own_logs", "ownLogs"],
] as const;

/** Everything that is wrong, with the path of each field from `settings` on. */
export function assessConnection(settings: ConnectionSettings): readonly Violation[] {
  const { opamp, otherConnections } = settings;
  const names = Object.keys(otherConnections);
  const own = OWN_TELEMETRY.flatMap(([name, key]) => {
    const connection = settings[key];
    return connection === undefined ? [] : [{ field: `settings.${name}`, connection }];
  });
  if (opamp === undefined && own.length === 0 && names.length === 0) {
    return [{ field: "settings", description: "holds no connection; give opamp, own_*, or other_connections." }];
  }
  return [
    ...(opamp === undefined ? [] : assessOpamp("settings.opamp", opamp)),
    ...own.flatMap(({ field, connection }) => assessTelemetry(field, connection)),
    ...Object.entries(otherConnections).flatMap(([name, connection]) => assessOther(name, connection)),
  ];
}

function assessOpamp(field: string, connection: OpampConnection): readonly Violation[] {
  const { destinationEndpoint, certificate, heartbeatIntervalSeconds: seconds } = connection;
  const ca = `${field}.certificate.ca_certificate_pem`;
  const needsCa = /^(wss|https):/i.test(destinationEndpoint) && (certificate?.caCertificatePem ?? "") === "";
  const isOutOfRange = seconds < 0n || seconds > MAX_HEARTBEAT_SECONDS;
  const range = `${seconds} is not from 1 to ${MAX_HEARTBEAT_SECONDS}; leave it out for ${DEFAULT_HEARTBEAT_SECONDS}.`;
  const missing = "is missing; offered a secure endpoint without it, a supervisor stops verifying the server.";
  return [
    ...assessUrl(`${field}.destination_endpoint`, destinationEndpoint, ["wss", "https", "ws", "http"]),
    ...(needsCa ? [{ field: ca, description: missing }] : []),
    ...(isOutOfRange ? [{ field: `${field}.heartbeat_interval_seconds`, description: range }] : []),
    ...assessCommon(field, connection),
  ];
}

function assessTelemetry(field: string, connection: TelemetryConnection): readonly Violation[] {
  const { destinationEndpoint } = connection;
  const endpoint = `${field}.destination_endpoint`;
  const urls = destinationEndpoint === "" ? [] : assessUrl(endpoint, destinationEndpoint, ["https", "http"]);
  const lacksPath = destinationEndpoint !== "" && urls.length === 0 && !hasPath(destinationEndpoint);
  const path = "has no path; give the full OTLP URL, such as https://collector:4318/v1/metrics.";
  return [...urls, ...(lacksPath ? [{ field: endpoint, description: path }] : []), ...assessCommon(field, connection)];
}

function assessOther(name: string, connection: OtherConnection): readonly Violation[] {
  const field = `settings.other_connections[${name.slice(0, MAX_NAME_CHARS)}]`;
  const isLong = name.length > MAX_NAME_CHARS;
  const isMissing = connection.destinationEndpoint === "";
  const long = `its name has ${name.length} characters; ${MAX_NAME_CHARS} are the most.`;
  const missing = "is missing; give what the agent is to connect to.";
  return [
    ...(isLong ? [{ field, description: long }] : []),
    ...(isMissing ? [{ field: `${field}.destination_endpoint`, description: missing }] : []),
    ...assessCommon(field, connection),
  ];
}

/** The parts that every connection has. */
interface Common {
  readonly headers: Readonly<Record<string, string>>;
  readonly certificate?: TlsCertificate | undefined;
  readonly tls?: TlsSettings | undefined;
  readonly proxy?: ProxySettings | undefined;
}

function assessCommon(field: string, { headers, certificate, tls, proxy }: Common): readonly Violation[] {
  return [
    ...assessHeaders(`${field}.headers`, headers),
    ...(certificate === undefined ? [] : assessCertificate(`${field}.certificate`, certificate)),
    ...(tls === undefined ? [] : assessTls(`${field}.tls`, tls)),
    ...(proxy === undefined ? [] : assessProxy(`${field}.proxy`, proxy)),
  ];
}

function assessCertificate(field: string, certificate: TlsCertificate): readonly Violation[] {
  const { certificatePem, privateKeyPem, caCertificatePem } = certificate;
  const ca = caCertificatePem === "" ? [] : assessCertificates(`${field}.ca_certificate_pem`, caCertificatePem);
  return [...assessKeyPair(field, certificatePem, privateKeyPem), ...ca];
}

function assessTls(field: string, tls: TlsSettings): readonly Violation[] {
  const { caPemContents, insecureSkipVerify, minVersion, maxVersion } = tls;
  const insecure = "is refused: anybody could take the agent over. Give the CA certificate instead.";
  const isReversed = minVersion !== "" && maxVersion !== "" && maxVersion < minVersion;
  return [
    ...(caPemContents === "" ? [] : assessCertificates(`${field}.ca_pem_contents`, caPemContents)),
    ...(insecureSkipVerify ? [{ field: `${field}.insecure_skip_verify`, description: insecure }] : []),
    ...assessVersion(`${field}.min_version`, minVersion),
    ...assessVersion(`${field}.max_version`, maxVersion),
    ...(isReversed ? [{ field: `${field}.max_version`, description: `is below min_version ${minVersion}.` }] : []),
  ];
}

function assessVersion(field: string, version: string): readonly Violation[] {
  if (TLS_VERSIONS.includes(version)) return [];
  return [{ field, description: `"${version.slice(0, 50)}" is no TLS version; give one of 1.0, 1.1, 1.2, 1.3.` }];
}

function assessProxy(field: string, { url, connectHeaders }: ProxySettings): readonly Violation[] {
  return [
    ...assessUrl(`${field}.url`, url, ["http", "https", "socks5"]),
    ...assessHeaders(`${field}.connect_headers`, connectHeaders),
  ];
}
