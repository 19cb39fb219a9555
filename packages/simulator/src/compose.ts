// From an offer's files to the config a Collector would run: merge over the base, render, judge.
//
// A whole fleet gets the same few offers, so results are shared: agents hold references, not copies. That
// also keeps an idle agent small: its effective config is rendered when it is sent.

import { createHash } from "node:crypto";
import { stringify } from "yaml";
import type { Verdict } from "./collector.ts";
import { assessConfig, healthParts } from "./collector.ts";
import type { ConfigFile, YamlMap } from "./merge.ts";
import { mergeFiles } from "./merge.ts";

/** A config that a Collector can be started on, however it ends. Shared between agents. */
export interface Composed {
  readonly kind: "composed";
  /** The offer's files; empty for the base config alone. */
  readonly files: readonly ConfigFile[];
  /** True for an offer without any file: the supervisor stops the Collector. */
  readonly empty: boolean;
  /** The merged YAML with placeholders for the facts of one agent; see `renderEffective`. */
  readonly template: string;
  readonly verdict: Verdict;
  /** Names of the parts that report health. */
  readonly parts: readonly string[];
}

/** An offer that cannot even be merged. */
export interface Uncomposable {
  readonly kind: "invalid";
  readonly files: readonly ConfigFile[];
  /** The parser's sentence. */
  readonly sentence: string;
}

/** Endpoints for the Collector's own telemetry by signal. */
export type OwnTelemetry = readonly (readonly [signal: "metrics" | "traces" | "logs", endpoint: string])[];

/**
 * Composes an offer's files over the base config; `undefined` files mean that nothing was ever offered, which
 * runs the base config, unlike an offer without files.
 */
export type Compose = (files: readonly ConfigFile[] | undefined, ownTelemetry: OwnTelemetry) => Composed | Uncomposable;

/** Facts about one agent that its effective config shows. */
export interface EffectiveFacts {
  readonly uid: string;
  readonly endpoint: string;
}

const UID = "INSTANCE-UID";
const ENDPOINT = "OPAMP-ENDPOINT";
/** Different offers a fleet can be in the middle of; older results are composed anew. */
const MAX_REMEMBERED = 64;

/** Creates a composer that remembers its recent results. One per fleet. */
export function createCompose(): Compose {
  const remembered = new Map<string, Composed | Uncomposable>();
  return (files, ownTelemetry) => {
    const key = keyOf(files, ownTelemetry);
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const fresh = compose(files, ownTelemetry);
    const oldest = remembered.size < MAX_REMEMBERED ? undefined : remembered.keys().next().value;
    if (oldest !== undefined) remembered.delete(oldest);
    remembered.set(key, fresh);
    return fresh;
  };
}

/** The effective config as one agent reports it. */
export function renderEffective(composed: Composed, facts: EffectiveFacts): string {
  return composed.template.replaceAll(UID, facts.uid).replaceAll(ENDPOINT, facts.endpoint);
}

/** Says whether a supervisor takes two configs for the same: it compares contents, never hashes. */
export function sameConfig(a: Composed, b: Composed): boolean {
  return a.empty === b.empty && a.template === b.template;
}

function compose(offered: readonly ConfigFile[] | undefined, ownTelemetry: OwnTelemetry): Composed | Uncomposable {
  // Copies: bodies are views into a network buffer that must not live as long as the fleet.
  const files = (offered ?? []).map((file) => ({ name: file.name, body: Uint8Array.from(file.body) }));
  const merged = mergeFiles(baseConfig(ownTelemetry), files);
  if (merged.kind === "invalid") return { kind: "invalid", files, sentence: merged.sentence };
  return {
    kind: "composed",
    files,
    empty: offered !== undefined && offered.length === 0,
    template: stringify(merged.document, { aliasDuplicateObjects: false }),
    verdict: assessConfig(merged.document),
    parts: healthParts(merged.document),
  };
}

function baseConfig(ownTelemetry: OwnTelemetry): YamlMap {
  const base = {
    extensions: {
      opamp: { instance_uid: UID, ppid_poll_interval: "5s", server: { ws: { endpoint: ENDPOINT } } },
    },
    service: {
      extensions: ["opamp"],
      telemetry: {
        logs: { encoding: "json" },
        ...Object.fromEntries(ownTelemetry.map(([signal, endpoint]) => [`own_${signal}`, { endpoint }])),
        resource: { "service.instance.id": UID },
      },
    },
  };
  return toMap(base);
}

function toMap(value: object): YamlMap {
  return new Map(
    Object.entries(value).map(([key, inner]) => [
      key,
      typeof inner === "object" && inner !== null && !Array.isArray(inner) ? toMap(inner) : inner,
    ]),
  );
}

function keyOf(files: readonly ConfigFile[] | undefined, ownTelemetry: OwnTelemetry): string {
  if (files === undefined) return `base ${JSON.stringify(ownTelemetry)}`;
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file.name.length} ${file.name} ${file.body.length} `).update(file.body);
  return `${files.length} ${hash.digest("base64")} ${JSON.stringify(ownTelemetry)}`;
}
