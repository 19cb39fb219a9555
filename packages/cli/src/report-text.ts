// What agents report beside configs and health, as people read it. Pure.

import {
  ActionKind,
  type Agent,
  type ConnectionSettingsStatus,
  PackageState,
  type PackageStatus,
  type SentOffer,
} from "@muster/protocol/muster/agents";
import { formatPairs } from "./table.ts";
import { counted, formatAge, msOf, oneLine, STATE_WORDS, shortHash, wordOf } from "./text.ts";

const PACKAGE_WORDS = {
  [PackageState.UNSPECIFIED]: "?",
  [PackageState.INSTALLED]: "installed",
  [PackageState.INSTALL_PENDING]: "waits to be installed",
  [PackageState.INSTALLING]: "is being installed",
  [PackageState.INSTALL_FAILED]: "failed",
  [PackageState.DOWNLOADING]: "is being downloaded",
} as const satisfies Record<PackageState, string>;

const ACTION_WORDS = {
  [ActionKind.UNSPECIFIED]: "?",
  [ActionKind.RESTART]: "restart",
  [ActionKind.REFRESH]: "tell everything again",
  [ActionKind.CUSTOM_MESSAGE]: "take a custom message",
} as const satisfies Record<ActionKind, string>;

/** Names and values of what fits a line each; only what there is. */
export function reportPairs(agent: Agent, nowMs: number): readonly (readonly [string, string])[] {
  const { connectionSettingsStatus: status, connectionSettingsOffer: offer, availableComponents: components } = agent;
  const pairs: readonly (readonly [string, string])[] = [
    ["custom capabilities", agent.customCapabilities.join(" ")],
    ["components", components === undefined ? "" : componentsText(components)],
    ["connection settings", connectionText(status, offer, nowMs)],
    ["packages offered", offerText(agent.packagesOffer, nowMs)],
    ["previous uids", agent.previousInstanceUids.join(" ")],
    ["not understood", Object.keys(agent.unrecognized).sort().join(" ")],
  ];
  return pairs.filter(([, text]) => text !== "");
}

/** How many components of each kind: `receivers 12, exporters 3`. */
function componentsText({ components, hash }: NonNullable<Agent["availableComponents"]>): string {
  const kinds = Object.entries(components).map(
    ([kind, { subComponents }]) => `${kind} ${Object.keys(subComponents).length}`,
  );
  return `${kinds.length === 0 ? "not told yet" : kinds.join(", ")} (${shortHash(hash)})`;
}

function connectionText(
  status: ConnectionSettingsStatus | undefined,
  offer: SentOffer | undefined,
  nowMs: number,
): string {
  const sent = offerText(offer, nowMs);
  if (status === undefined) return sent;
  const { state, hash, errorMessage } = status;
  const error = errorMessage === "" ? "" : `: ${oneLine(errorMessage, 200)}`;
  const said = `${wordOf(STATE_WORDS, state)} ${shortHash(hash)}${error}`;
  return sent === "" ? said : `${sent}; ${said}`;
}

function offerText(offer: SentOffer | undefined, nowMs: number): string {
  return offer === undefined ? "" : `sent ${shortHash(offer.hash)} ${formatAge(msOf(offer.sendTime), nowMs)}`;
}

/** The packages of an agent, one a line. */
export function packageLines({ packageStatuses }: Agent): string {
  if (packageStatuses === undefined) return "";
  const { packages, errorMessage } = packageStatuses;
  const pairs = Object.entries(packages).map(([name, status]) => [name || "(unnamed)", packageText(status)] as const);
  const error = errorMessage === "" ? "" : `  ${oneLine(errorMessage, 500)}\n`;
  return formatPairs(pairs, 2) + error;
}

function packageText(status: PackageStatus): string {
  const { agentVersion, agentHash, offeredVersion, offeredHash, state, errorMessage, downloadPercent } = status;
  const has = agentHash === "" && agentVersion === "" ? "none" : `${agentVersion || "?"} (${shortHash(agentHash)})`;
  // Agents that say nothing say "installed", too: only equal hashes prove it.
  const isThere = offeredHash === "" || offeredHash === agentHash;
  const offered = isThere ? "" : `, offered ${offeredVersion || "?"} (${shortHash(offeredHash)})`;
  const word = state === PackageState.INSTALLED && !isThere ? "not yet installed" : wordOf(PACKAGE_WORDS, state);
  const percent = state === PackageState.DOWNLOADING && downloadPercent !== undefined ? `, ${downloadPercent} %` : "";
  const error = errorMessage === "" ? "" : `: ${oneLine(errorMessage, 200)}`;
  return `${has}${offered}, ${word}${percent}${error}`;
}

/** What an agent was asked, newest first, one a line. */
export function actionLines({ actions }: Agent, nowMs: number): string {
  const pairs = actions.map(({ kind, sendTime, actionId }) => {
    const when = sendTime === undefined ? "not sent" : formatAge(msOf(sendTime), nowMs);
    return [wordOf(ACTION_WORDS, kind), `${when}  ${actionId}`] as const;
  });
  return formatPairs(pairs, 2);
}

/** The custom messages of an agent, newest first, one a line; their content only as JSON. */
export function messageLines({ customMessages }: Agent, nowMs: number): string {
  const pairs = customMessages.map(({ capability, type, sizeBytes, receiveTime }) => {
    const size = counted(sizeBytes, "byte");
    return [`${capability} ${type}`.trim(), `${size}, ${formatAge(msOf(receiveTime), nowMs)}`] as const;
  });
  return formatPairs(pairs, 2);
}
