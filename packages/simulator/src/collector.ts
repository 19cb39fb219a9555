// The simulated Collector: what happens when it is started on a merged config.
//
// It knows a handful of component types and checks a config about as far as a real one does before it
// serves: unknown components, dangling references, a port that is bound twice. Two attributes under
// `service.telemetry.resource` make it misbehave on purpose, so that a config alone can tell a story:
//
//   simulator.start_ms: 7000         needs 7 s to start
//   simulator.crash_after_ms: 2000   exits 2 s after each start
//
// Pure. Called by compose.ts only; the supervisor sees verdicts.

import type { YamlMap } from "./merge.ts";

/** What a start on a config comes to. */
export type Verdict =
  | {
      readonly kind: "runs";
      /** Until it is healthy; undefined means the usual time. */
      readonly startMs: number | undefined;
      /** Until it exits, counted from healthy; undefined means never. */
      readonly crashAfterMs: number | undefined;
    }
  | {
      readonly kind: "exits";
      /** What a validator would have said; undefined when only a start finds it out. */
      readonly invalid: string | undefined;
    };

/** Component types the simulated Collector was built with, by section of its config. */
export const COMPONENT_TYPES = {
  receivers: ["filelog", "hostmetrics", "nop", "otlp", "prometheus"],
  processors: ["attributes", "batch", "memory_limiter", "resource"],
  exporters: ["debug", "nop", "otlp", "otlphttp"],
  extensions: ["health_check", "opamp"],
  connectors: [],
} as const satisfies Record<string, readonly string[]>;

type Section = keyof typeof COMPONENT_TYPES;

// Object.keys is typed string[]; the table above is a literal.
const SECTIONS = Object.keys(COMPONENT_TYPES) as readonly Section[];
const SIGNALS: readonly unknown[] = ["traces", "metrics", "logs", "profiles"];

/** Says what a Collector does when it is started on this config. */
export function assessConfig(config: YamlMap): Verdict {
  const invalid = validate(config);
  if (invalid !== undefined) return { kind: "exits", invalid };
  if (bindsTwice(config)) return { kind: "exits", invalid: undefined };
  const resource = mapAt(mapAt(mapAt(config, "service"), "telemetry"), "resource");
  return {
    kind: "runs",
    startMs: numberAt(resource, "simulator.start_ms"),
    crashAfterMs: numberAt(resource, "simulator.crash_after_ms"),
  };
}

/** Names the parts whose health a Collector on this config reports: extensions and pipelines. */
export function healthParts(config: YamlMap): readonly string[] {
  const service = mapAt(config, "service");
  return ["extensions", ...[...mapAt(service, "pipelines").keys()].map((name) => `pipeline:${String(name)}`)];
}

function validate(config: YamlMap): string | undefined {
  for (const key of config.keys()) {
    if (key !== "service" && !SECTIONS.some((section) => section === key)) {
      return `'' has invalid keys: ${String(key)}`;
    }
  }
  for (const section of SECTIONS) {
    const unknown = [...mapAt(config, section).keys()].find((id) => !isKnown(section, id));
    if (unknown !== undefined) return `'${section}' unknown type: "${typeOf(unknown)}" for id: "${String(unknown)}"`;
  }
  return validateService(config, mapAt(config, "service"));
}

function validateService(config: YamlMap, service: YamlMap): string | undefined {
  const dangling = listAt(service, "extensions").find((id) => !mapAt(config, "extensions").has(id));
  if (dangling !== undefined) return `service::extensions: references extension "${dangling}" which is not configured`;
  for (const name of mapAt(service, "pipelines").keys()) {
    const problem = validatePipeline(config, String(name), mapAt(mapAt(service, "pipelines"), name));
    if (problem !== undefined) return `service::pipelines::${String(name)}: ${problem}`;
  }
  return undefined;
}

function validatePipeline(config: YamlMap, name: string, pipeline: YamlMap): string | undefined {
  if (!SIGNALS.includes(typeOf(name))) return `unknown signal "${typeOf(name)}"`;
  for (const section of ["receivers", "processors", "exporters"] as const) {
    const ids = listAt(pipeline, section);
    if (ids.length === 0 && section !== "processors") return `must have at least one ${section.slice(0, -1)}`;
    const dangling = ids.find((id) => !mapAt(config, section).has(id) && !mapAt(config, "connectors").has(id));
    if (dangling !== undefined) return `references ${section.slice(0, -1)} "${dangling}" which is not configured`;
  }
  return undefined;
}

function bindsTwice(config: YamlMap): boolean {
  const endpoints = [
    ...[...mapAt(config, "extensions").values()].filter((value) => value instanceof Map),
    ...[...mapAt(config, "receivers").values()].flatMap((value) =>
      value instanceof Map ? [...mapAt(value, "protocols").values()] : [],
    ),
  ].flatMap((value) => (value instanceof Map && value.has("endpoint") ? [String(value.get("endpoint"))] : []));
  return new Set(endpoints).size < endpoints.length;
}

function isKnown(section: Section, id: unknown): boolean {
  return COMPONENT_TYPES[section].some((type) => type === typeOf(id));
}

function typeOf(id: unknown): string {
  return String(id).split("/")[0] ?? "";
}

function mapAt(map: YamlMap, key: unknown): YamlMap {
  const value = map.get(key);
  return value instanceof Map ? value : new Map();
}

function listAt(map: YamlMap, key: string): readonly string[] {
  const value = map.get(key);
  return Array.isArray(value) ? value.map(String) : [];
}

function numberAt(map: YamlMap, key: string): number | undefined {
  const value = map.get(key);
  return typeof value === "number" ? value : undefined;
}
