// The parts of a report, each said twice: what the server is told, and what it must know then. Data for knowledge.ts.

import { aDescription, anEffectiveConfig } from "../agent.ts";
import type { KnownAgent } from "../driver.ts";
import type { RequirementId } from "../requirements.ts";
import type { Fields } from "../wire.ts";

const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const hex = (byte: number): string => Buffer.from(hash(byte)).toString("hex");

/** A part of a report: what is said first and then, and what the server knows after each. */
export interface Part {
  readonly name: string;
  readonly ids: readonly RequirementId[];
  readonly said: readonly [Fields, Fields];
  readonly known: readonly [unknown, unknown];
  look(known: KnownAgent): unknown;
}

const components = (names: readonly string[], byte: number): Fields => ({
  availableComponents: {
    hash: hash(byte),
    components: {
      receivers: { subComponentMap: Object.fromEntries(names.map((name) => [name, {}])) },
    },
  },
});

/** Every part that is kept. */
export const PARTS: readonly Part[] = [
  {
    name: "description",
    ids: ["R36", "R48"],
    said: [
      { agentDescription: aDescription({ "os.type": "linux", "host.name": "a" }, "one") },
      { agentDescription: aDescription({ "os.type": "windows" }, "two") },
    ],
    known: [
      { "host.name": "a", "os.type": "linux", "service.name": "one" },
      { "os.type": "windows", "service.name": "two" },
    ],
    look: ({ attributes }) => sorted(attributes),
  },
  {
    name: "health",
    ids: ["R36", "R48", "R82"],
    said: [
      {
        health: {
          healthy: true,
          status: "StatusOK",
          startTimeUnixNano: 5n,
          componentHealthMap: { a: { healthy: true } },
        },
      },
      { health: { healthy: false, lastError: "out of memory" } },
    ],
    known: [
      { healthy: true, status: "StatusOK", error: "", parts: ["a"] },
      { healthy: false, status: "", error: "out of memory", parts: [] },
    ],
    look: ({ health }) =>
      health && {
        healthy: health.healthy,
        status: health.status,
        error: health.lastError,
        parts: [...health.components.keys()],
      },
  },
  {
    name: "effective config",
    ids: ["R36", "R48", "R78"],
    said: [
      {
        effectiveConfig: {
          configMap: {
            configMap: {
              "": { body: Buffer.from("a: 1"), contentType: "text/yaml" },
              raw: { body: Buffer.from("{}"), contentType: "application/json" },
            },
          },
        },
      },
      { effectiveConfig: anEffectiveConfig("a: 2") },
    ],
    known: [
      [
        ["", "text/yaml", "a: 1"],
        ["raw", "application/json", "{}"],
      ],
      [["", "text/yaml", "a: 2"]],
    ],
    look: ({ effectiveConfig }) =>
      [...(effectiveConfig?.values() ?? [])]
        .map(({ name, contentType, body }) => [name, contentType, Buffer.from(body).toString("utf8")])
        .sort(),
  },
  {
    name: "status of the config",
    ids: ["R36", "R48", "R74"],
    said: [
      { remoteConfigStatus: { lastRemoteConfigHash: hash(1), status: 2 } },
      { remoteConfigStatus: { lastRemoteConfigHash: hash(2), status: 3, errorMessage: "broken" } },
    ],
    known: [
      { state: "applying", hash: hex(1), error: "" },
      { state: "failed", hash: hex(2), error: "broken" },
    ],
    look: ({ configStatus }) => configStatus,
  },
  {
    name: "statuses of packages",
    ids: ["R36", "R48", "R95", "R96"],
    said: [
      {
        packageStatuses: {
          serverProvidedAllPackagesHash: hash(3),
          packages: {
            "": { name: "", status: 4, serverOfferedVersion: "v2", downloadDetails: { downloadPercent: 12.5 } },
            addon: { name: "addon", status: 0, agentHasVersion: "v1" },
          },
        },
      },
      {
        packageStatuses: {
          serverProvidedAllPackagesHash: hash(4),
          errorMessage: "disk full",
          packages: { "": { name: "", status: 3, serverOfferedVersion: "v2", errorMessage: "no space" } },
        },
      },
    ],
    known: [
      {
        hash: hex(3),
        error: "",
        packages: [
          ["", "downloading", "", "v2", "", 12.5],
          ["addon", "installed", "v1", "", "", null],
        ],
      },
      { hash: hex(4), error: "disk full", packages: [["", "install-failed", "", "v2", "no space", null]] },
    ],
    look: ({ packages }) =>
      packages && {
        hash: packages.hash,
        error: packages.error,
        packages: [...packages.byName]
          .map(([name, each]) => [
            name,
            each.state,
            each.agentVersion,
            each.offeredVersion,
            each.error,
            each.downloadPercent,
          ])
          .sort(),
      },
  },
  {
    name: "custom capabilities",
    ids: ["R36", "R48"],
    said: [
      { customCapabilities: { capabilities: ["io.example.one", "io.example.two/1.1"] } },
      { customCapabilities: { capabilities: ["io.example.two/1.1"] } },
    ],
    known: [["io.example.one", "io.example.two/1.1"], ["io.example.two/1.1"]],
    look: ({ customCapabilities }) => [...customCapabilities].sort(),
  },
  {
    name: "available components",
    ids: ["R36", "R48", "R136"],
    said: [components(["nop", "otlp"], 5), components(["nop"], 6)],
    known: [
      { hash: hex(5), receivers: ["nop", "otlp"] },
      { hash: hex(6), receivers: ["nop"] },
    ],
    look: ({ components: known }) => known && { hash: known.hash, receivers: known.components.get("receivers") },
  },
  {
    name: "status of connection settings",
    ids: ["R36", "R48", "R103"],
    said: [
      { connectionSettingsStatus: { lastConnectionSettingsHash: hash(7), status: 2 } },
      { connectionSettingsStatus: { lastConnectionSettingsHash: hash(8), status: 3, errorMessage: "no route" } },
    ],
    known: [
      { state: "applying", hash: hex(7), error: "" },
      { state: "failed", hash: hex(8), error: "no route" },
    ],
    look: ({ connectionStatus }) => connectionStatus,
  },
];

function sorted(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
