// What checks of configs find, as people read it. Pure.

import {
  type ConfigConflict,
  type Finding,
  type RenderConfigResponse,
  Severity,
  type ValidateConfigResponse,
  type VariableAvailability,
} from "@muster/protocol/muster/configs";
import { formatTable } from "./table.ts";
import { counted, oneLine, shortHash } from "./text.ts";

/** A line for each: `warning: a.yaml:3:5: ...`, as compilers write them. */
export function formatFindings(findings: readonly Finding[]): string {
  return findings
    .map(({ severity, file, line, column, message }) => {
      const place = [file, ...(line === 0 ? [] : [line, column])].filter((part) => part !== "").join(":");
      return `${severity === Severity.ERROR ? "error" : "warning"}: ${place === "" ? "" : `${place}: `}${message}\n`;
    })
    .join("");
}

/** What was found, and which agents could run it. */
export function formatValidation(validation: ValidateConfigResponse): string {
  const { valid, findings, matchingAgents, silentAgents, lacking, components } = validation;
  const errors = findings.filter(({ severity }) => severity === Severity.ERROR).length;
  const verdict = valid
    ? "Nothing keeps it from being published."
    : `It would be refused: ${counted(errors, "error")}.`;
  const silent = silentAgents === 0n ? "" : `; ${silentAgents} of them do not say what they have`;
  const reach = `${counted(matchingAgents, "agent")} would be meant${silent}.`;
  const able = components.length > 0 && matchingAgents > silentAgents ? "All others have every component.\n" : "";
  const rows = lacking.map((each) => [each.component, String(each.lackingAgents), String(each.availableAgents)]);
  const table = rows.length === 0 ? able : formatTable(["COMPONENT", "LACKED BY", "HAD BY"], rows);
  const variables = validation.variables.map(variableText).join("");
  return `${formatFindings(findings)}${verdict}\n${reach}\n${table}${variables}`;
}

function variableText({ variable, lackingAgents }: VariableAvailability): string {
  if (lackingAgents === 0n) return "";
  const { key = "", required = false } = variable ?? {};
  const so = required ? "not offered the config" : "given its fallback";
  const who = lackingAgents === 1n ? "1 agent has no value and is" : `${lackingAgents} agents have no value and are`;
  return `\${agent:${key}}: ${who} ${so}.\n`;
}

/** What an agent runs: of which configs, where they contradict each other, and what it comes to. */
export function formatRendered(rendered: RenderConfigResponse, withFiles: boolean): string {
  const { configs, hash, files, merged, conflicts, findings, absence } = rendered;
  const why = absence === "" ? "" : `It would not be offered the config: ${absence}\n`;
  if (configs.length === 0) return `${why}No config reaches the agent: it is offered nothing.\n`;
  const rows = configs.map((each) => [
    each.configId,
    each.revision === 0n ? "(files)" : String(each.revision),
    String(each.order),
    each.candidate ? "not rolled out yet" : each.rolloutId,
  ]);
  const table = formatTable(["CONFIG", "REVISION", "ORDER", "ROLLOUT"], rows);
  const parts = withFiles
    ? files.map(({ name, body }) => `--- ${name}\n${Buffer.from(body).toString().trimEnd()}\n`)
    : [];
  const whole = merged === "" ? "The files do not merge: one is no YAML or JSON map.\n" : `--- merged\n${merged}`;
  const report = [...conflicts.map(conflictText), formatFindings(findings)].join("");
  return `${why}${table}offered as ${shortHash(hash)}\n${report === "" ? "" : `\n${report}`}\n${parts.join("")}${whole}`;
}

function conflictText({ path, values, replacesList }: ConfigConflict): string {
  const all = values.map(({ configId, value }) => `${configId} says ${oneLine(value, 60)}`).join(", ");
  const winner = values.at(-1)?.configId ?? "";
  const how = replacesList ? "; its list replaces the others" : "";
  return `conflict: ${path}: ${all}; ${winner} wins${how}\n`;
}
