// Whether a Collector would start with a config, judged by how its parts refer to each other, as the Collector itself
// does before it starts. Pure. Configs of other agents are not judged.
//
// What a config does not define another config of the same agent may: where a config has no pipelines, or says that it is a
// fragment, what would be an error is a warning. A config with pipelines that is no fragment is complete, and so is the merged
// whole that an agent is offered.

import type { ConfigFile } from "./config.ts";
import type { Finding } from "./finding.ts";
import {
  KINDS,
  PARTS,
  type Pipeline,
  type PipelinePart,
  type Place,
  readStructure,
  type Structure,
} from "./structure.ts";

const SIGNALS = ["traces", "metrics", "logs", "profiles"];

/** What is found in files that are merged in their order. */
export function assessStructure(files: readonly ConfigFile[], isFragment: boolean): readonly Finding[] {
  const structure = readStructure(files);
  if (!structure.isCollector) return [];
  const hasPipelines = structure.pipelines.size > 0 || structure.hasOpenPipelines;
  const grave = hasPipelines && !isFragment ? "error" : "warning";
  const findings = [
    ...(hasPipelines || isFragment ? [] : [noPipelines(files)]),
    ...assessSections(structure),
    ...[...structure.pipelines].flatMap(([id, pipeline]) => assessPipeline(structure, id, pipeline, grave)),
    ...assessConnectors(structure, grave),
    ...assessExtensions(structure, grave),
    ...(hasPipelines && !isFragment ? assessUnused(structure) : []),
  ];
  const order = new Map(files.map(({ name }, i) => [name, i]));
  const rank = ({ file }: Finding): number => order.get(file) ?? -1;
  return findings.sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
}

type Severity = Finding["severity"];

function finding(severity: Severity, place: Place, message: string): Finding {
  return { severity, ...place, message };
}

function noPipelines(files: readonly ConfigFile[]): Finding {
  const message =
    "has no service.pipelines: a Collector starts with it only beside another config that has some. Say that the config is a fragment if that is meant.";
  return finding("warning", { file: files.length === 1 ? (files[0]?.name ?? "") : "", line: 0, column: 0 }, message);
}

function assessSections({ unknown }: Structure): readonly Finding[] {
  const sections = [...KINDS, "service"].join(", ");
  return unknown.map(({ id, place }) =>
    finding("warning", place, `"${id}" is no section of a Collector's config; there are ${sections}.`),
  );
}

const SINGULAR = {
  receivers: "receiver",
  processors: "processor",
  exporters: "exporter",
  connectors: "connector",
  extensions: "extension",
} as const;

/** Where what a part of a pipeline names may be defined. */
const SOURCES = {
  receivers: ["receivers", "connectors"],
  processors: ["processors"],
  exporters: ["exporters", "connectors"],
} as const satisfies Record<PipelinePart, readonly (keyof Structure["defined"])[]>;

function assessPipeline(structure: Structure, id: string, pipeline: Pipeline, grave: Severity): readonly Finding[] {
  const findings: Finding[] = [];
  const [signal = ""] = id.split("/");
  if (!SIGNALS.includes(signal)) {
    const message = `pipeline "${id}" is of no known signal; there are ${SIGNALS.join(", ")}, and names after a slash.`;
    findings.push(finding("warning", pipeline.place, message));
  }
  for (const part of PARTS) {
    const references = pipeline.parts[part] ?? [];
    if (references === "open") continue;
    if (references.length === 0 && part !== "processors" && !pipeline.isOpen) {
      findings.push(finding(grave, pipeline.place, `pipeline "${id}" has no ${part}; it needs one at least.`));
    }
    const seen = new Set<string>();
    for (const { id: name, place } of references) {
      const isKnown = SOURCES[part].some((kind) => structure.defined[kind].has(name) || structure.open.has(kind));
      if (!isKnown) {
        const message = `pipeline "${id}" names the ${SINGULAR[part]} "${name}", which is not defined under ${SOURCES[part].join(" or ")}.`;
        findings.push(finding(grave, place, message));
      }
      if (part === "processors" && seen.has(name)) {
        findings.push(finding(grave, place, `pipeline "${id}" names the processor "${name}" twice.`));
      }
      seen.add(name);
    }
  }
  return findings;
}

/** Whether a pipeline names a component in a part, or may. */
function uses({ parts, isOpen }: Pipeline, part: PipelinePart, id: string): boolean {
  const references = parts[part] ?? [];
  return isOpen || references === "open" || references.some((each) => each.id === id);
}

function assessConnectors({ defined, pipelines, hasOpenPipelines }: Structure, grave: Severity): readonly Finding[] {
  const all = [...pipelines.values()];
  return [...defined.connectors].flatMap(([id, place]) => {
    const twin = (["receivers", "exporters"] as const).find((kind) => defined[kind].has(id));
    if (twin !== undefined) {
      const message = `"${id}" is defined under connectors and under ${twin}; no Collector can tell which is meant.`;
      return [finding(grave, place, message)];
    }
    if (hasOpenPipelines) return [];
    const ends = all.some((pipeline) => uses(pipeline, "exporters", id));
    const begins = all.some((pipeline) => uses(pipeline, "receivers", id));
    if (ends === begins) return [];
    const lacks = ends
      ? "ends a pipeline and begins none; name it among the receivers of another, too"
      : "begins a pipeline and ends none; name it among the exporters of another, too";
    return [finding(grave, place, `connector "${id}" ${lacks}.`)];
  });
}

function assessExtensions({ extensions, defined, open }: Structure, grave: Severity): readonly Finding[] {
  if (extensions === "open" || open.has("extensions")) return [];
  return extensions
    .filter(({ id }) => !defined.extensions.has(id))
    .map(({ id, place }) =>
      finding(grave, place, `service.extensions names "${id}", which is not defined under extensions.`),
    );
}

/** What is defined and never named runs nowhere: harmless, and hardly what was meant. */
function assessUnused({ defined, pipelines, hasOpenPipelines, extensions }: Structure): readonly Finding[] {
  const all = [...pipelines.values()];
  const isUsed = {
    receivers: (id) => all.some((pipeline) => uses(pipeline, "receivers", id)),
    processors: (id) => all.some((pipeline) => uses(pipeline, "processors", id)),
    exporters: (id) => all.some((pipeline) => uses(pipeline, "exporters", id)),
    connectors: (id) => all.some((each) => uses(each, "receivers", id) || uses(each, "exporters", id)),
    extensions: (id) => extensions === "open" || extensions.some((each) => each.id === id),
  } satisfies Record<keyof Structure["defined"], (id: string) => boolean>;
  return KINDS.flatMap((kind) =>
    [...defined[kind]].flatMap(([id, place]) => {
      if (isUsed[kind](id) || (hasOpenPipelines && kind !== "extensions")) return [];
      const where = kind === "extensions" ? "service.extensions does not name it" : "no pipeline names it";
      return [finding("warning", place, `${SINGULAR[kind]} "${id}" is defined, and ${where}: it does not run.`)];
    }),
  );
}
