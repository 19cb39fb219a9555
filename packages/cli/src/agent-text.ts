// Agents as people read them. Pure.

import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Agent, type Attempt, Transport } from "@muster/protocol/muster/agents";
import { driftWord } from "./drift-text.ts";
import { usageText } from "./history-text.ts";
import { actionLines, messageLines, packageLines, reportPairs } from "./report-text.ts";
import { formatPairs, formatTable } from "./table.ts";
import { counted, formatAge, msOf, oneLine, STATE_WORDS, shortHash, wordOf } from "./text.ts";

const TRANSPORT_WORDS = {
  [Transport.UNSPECIFIED]: "",
  [Transport.WEBSOCKET]: "over WebSocket",
  [Transport.HTTP]: "by HTTP polls",
} as const satisfies Record<Transport, string>;

const HEAD = ["INSTANCE UID", "SERVICE", "HOST", "CONNECTED", "HEALTH", "CONFIG", "STATE"];

/** A table of agents. */
export function formatAgents(agents: readonly Agent[], nowMs: number): string {
  return formatTable(
    HEAD,
    agents.map((agent) => agentCells(agent, nowMs)),
  );
}

/** One agent of a watch as a line. */
export function formatAgentLine(agent: Agent, nowMs: number): string {
  const [uid, service, host, connected, health, config, state] = agentCells(agent, nowMs);
  return `${uid}  ${service} on ${host}  connected ${connected}  ${health}  config ${config} ${state}\n`;
}

function agentCells(agent: Agent, nowMs: number): readonly string[] {
  return [
    agent.instanceUid,
    attributeText(agent, "service.name"),
    attributeText(agent, "host.name"),
    connectedText(agent, nowMs),
    healthText(agent, 40),
    configText(agent),
    stateText(agent),
  ];
}

/** An attribute as one word; "-" when it is absent. */
function attributeText(agent: Agent, key: string): string {
  const value = agent.identifyingAttributes[key] ?? agent.nonIdentifyingAttributes[key];
  return value === undefined ? "-" : oneLine(valueText(value), 40);
}

function valueText(value: Value): string {
  const json: JsonValue = toJson(ValueSchema, value);
  return typeof json === "string" ? json : JSON.stringify(json);
}

function connectedText({ connection }: Agent, nowMs: number): string {
  if (connection === undefined) return "never";
  if (connection.connected) return "yes";
  return `no, ${connection.disconnectReason} ${formatAge(msOf(connection.disconnectTime), nowMs)}`;
}

function healthText({ health }: Agent, maxChars: number): string {
  if (health === undefined) return "-";
  if (health.healthy) return "healthy";
  return oneLine(`unhealthy${health.lastError === "" ? "" : `: ${health.lastError}`}`, maxChars);
}

/** The configs an agent should run: `base@3,extra@1`. */
function configText({ desiredConfig }: Agent): string {
  if (desiredConfig === undefined) return "-";
  return desiredConfig.contributions.map((part) => `${part.configId}@${part.revision}`).join(",");
}

/** How far the agent is with them. */
function stateText({ desiredConfig, remoteConfigStatus }: Agent): string {
  if (desiredConfig === undefined) return "-";
  if (remoteConfigStatus?.hash !== desiredConfig.hash) return "pending";
  return wordOf(STATE_WORDS, remoteConfigStatus.state);
}

/** Everything about one agent; the bodies of its effective config only when asked for, since they may hold secrets. */
export function formatAgent(agent: Agent, nowMs: number, withBodies: boolean): string {
  const { remoteConfigStatus: status, desiredConfig: desired } = agent;
  const about = formatPairs([
    ["instance uid", agent.instanceUid],
    ["connected", connectionText(agent, nowMs)],
    ["health", healthText(agent, 500)],
    [
      "config",
      desired === undefined
        ? "none reaches it"
        : `${configText(agent)} (${shortHash(desired.hash)}), ${stateText(agent)}`,
    ],
    [
      "says",
      status === undefined
        ? "nothing yet"
        : `${wordOf(STATE_WORDS, status.state)} ${shortHash(status.hash)} ${oneLine(status.errorMessage, 500)}`,
    ],
    ["drift", driftWord(agent)],
    ["first seen", formatAge(msOf(agent.firstSeenTime), nowMs)],
    ["last seen", formatAge(msOf(agent.lastSeenTime), nowMs)],
    ["last change", formatAge(msOf(agent.updateTime), nowMs)],
    ...(agent.restartCount === 0 ? [] : [["restarts", String(agent.restartCount)] as const]),
    ...(agent.resourceUsage === undefined ? [] : [["takes", usageText(agent.resourceUsage)] as const]),
    ["capabilities", agent.capabilities.join(" ") || "-"],
    ...(agent.owner === "" ? [] : [["owner", oneLine(agent.owner, 200)] as const]),
    ...reportPairs(agent, nowMs),
  ]);
  const sections = [
    section("labels", pairLines(agent.labels)),
    section("annotations", pairLines(agent.annotations)),
    section("attributes", attributeLines(agent)),
    section(
      "attempts",
      formatPairs(
        agent.attempts.map((attempt) => attemptPair(attempt, nowMs)),
        2,
      ),
    ),
    section("packages", packageLines(agent)),
    section("actions", actionLines(agent, nowMs)),
    section("custom messages", messageLines(agent, nowMs)),
    section("effective config", effectiveText(agent, withBodies)),
  ];
  return [about, ...sections.filter((text) => text !== "")].join("\n");
}

function section(title: string, body: string): string {
  return body === "" ? "" : `${title}\n${body}`;
}

function connectionText(agent: Agent, nowMs: number): string {
  const { connection } = agent;
  if (connection === undefined || !connection.connected) return connectedText(agent, nowMs);
  const { transport, remoteAddress, gatewayId, connectTime } = connection;
  const how = `${wordOf(TRANSPORT_WORDS, transport)} from ${remoteAddress || "?"} at gateway ${gatewayId || "?"}`;
  return `yes, ${how}, since ${formatAge(msOf(connectTime), nowMs)}`;
}

function pairLines(texts: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1));
  return formatPairs(
    pairs.map(([key, text]) => [key, oneLine(text, 200)] as const),
    2,
  );
}

function attributeLines({ identifyingAttributes, nonIdentifyingAttributes }: Agent): string {
  const all = [...Object.entries(identifyingAttributes), ...Object.entries(nonIdentifyingAttributes)];
  return formatPairs(
    all.map(([key, value]) => [key, oneLine(valueText(value), 200)] as const),
    2,
  );
}

function attemptPair(attempt: Attempt, nowMs: number): readonly [string, string] {
  const answer = attempt.reportTime === undefined ? "" : ` ${formatAge(msOf(attempt.reportTime), nowMs)}`;
  const words = `offered ${formatAge(msOf(attempt.offerTime), nowMs)}, ${wordOf(STATE_WORDS, attempt.state)}${answer}`;
  const error = attempt.errorMessage === "" ? "" : `: ${oneLine(attempt.errorMessage, 200)}`;
  return [`${shortHash(attempt.hash)} try ${attempt.number}`, words + error];
}

function effectiveText({ effectiveConfig }: Agent, withBodies: boolean): string {
  if (effectiveConfig === undefined) return "";
  if (!withBodies) {
    const what = `${counted(effectiveConfig.files.length, "file")}, ${effectiveConfig.sizeBytes} bytes`;
    return `  ${what}; --effective-config shows them, they may hold secrets\n`;
  }
  return effectiveConfig.files
    .map(({ name, body }) => `--- ${name || "(unnamed)"}\n${Buffer.from(body).toString().trimEnd()}\n`)
    .join("");
}
