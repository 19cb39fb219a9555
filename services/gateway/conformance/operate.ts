// What cases do together with a driver: tell the server something, wait until the agent hears of it, answer like one.

import { type AgentRemoteConfig, RemoteConfigStatuses, type ServerToAgent } from "@muster/protocol/opamp";
import { type Agent, anEffectiveConfig } from "./agent.ts";
import type { Context } from "./case.ts";
import { ensure, json, show, waitFor } from "./check.ts";
import type { KnownAgent, OfferedFile } from "./driver.ts";
import { offersConfig } from "./expect.ts";
import { describe } from "./wire.ts";

/** States of a config, by the words of the specification. */
export const STATE = {
  unset: RemoteConfigStatuses.RemoteConfigStatuses_UNSET,
  applied: RemoteConfigStatuses.RemoteConfigStatuses_APPLIED,
  applying: RemoteConfigStatuses.RemoteConfigStatuses_APPLYING,
  failed: RemoteConfigStatuses.RemoteConfigStatuses_FAILED,
} as const;

/** A config of one file. */
export function aFile(body: string, name = "collector.yaml"): OfferedFile {
  return { name, contentType: "text/yaml", body: Buffer.from(body) };
}

/** Waits until what the server knows of the agent fits. @throws Failure, NotApplicable */
export async function untilKnown(
  context: Context,
  uid: string,
  fits: (known: KnownAgent) => boolean,
  expected: string,
): Promise<KnownAgent> {
  const driver = context.driver();
  let last: KnownAgent | null = null;
  return await waitFor(
    async () => {
      last = await driver.getAgent(uid);
      return last !== null && fits(last) ? last : null;
    },
    { withinMs: context.target.deadlineMs, expected, seen: () => (last === null ? "no such agent" : show(last)) },
  );
}

/** Waits until the server knows what it should; `look` takes it out of what it knows. @throws Failure, NotApplicable */
export async function untilSeen(
  context: Context,
  uid: string,
  look: (known: KnownAgent) => unknown,
  wanted: unknown,
): Promise<void> {
  const driver = context.driver();
  let seen: unknown;
  await waitFor(
    async () => {
      const known = await driver.getAgent(uid);
      seen = known === null ? "no such agent" : look(known);
      return json(seen) === json(wanted) ? true : null;
    },
    { withinMs: context.target.deadlineMs, expected: show(wanted), seen: () => show(seen) },
  );
}

/** An agent that the server knows to be connected, with its capabilities. */
export async function listed(context: Context, capabilities?: bigint): Promise<Agent> {
  const agent = await context.introduced(capabilities === undefined ? {} : { capabilities });
  await untilListed(context, agent);
  return agent;
}

/** Waits until the server knows the agent to be connected, with its capabilities. */
export async function untilListed(context: Context, agent: Agent): Promise<void> {
  const isThere = (known: KnownAgent): boolean => known.isConnected && known.capabilities === agent.capabilities;
  await untilKnown(context, agent.uidText, isThere, "a connected agent");
}

/** The config of an offer, which has one. @throws Failure */
export function configOf(message: ServerToAgent): AgentRemoteConfig {
  ensure(message.remoteConfig !== undefined, "remote_config", () => describe(message));
  return message.remoteConfig;
}

/** Has the server offer these files and waits until the agent has them. @throws Failure, NotApplicable */
export async function offered(
  context: Context,
  agent: Agent,
  files: readonly OfferedFile[],
): Promise<AgentRemoteConfig> {
  await context.driver().offerConfig(agent.uidText, files);
  const withinMs = 2 * context.target.deadlineMs;
  return configOf(await agent.until(offersConfig, "remote_config", { withinMs }));
}

/** Reports the status of a config. */
export async function acknowledge(
  agent: Agent,
  hash: Uint8Array,
  state: keyof typeof STATE,
  errorMessage = "",
): Promise<ServerToAgent> {
  return await agent.report({
    remoteConfigStatus: { lastRemoteConfigHash: hash, status: STATE[state], errorMessage },
    ...(state === "applied" ? { effectiveConfig: anEffectiveConfig(`# ${Buffer.from(hash).toString("hex")}\n`) } : {}),
  });
}

/** For waits: an offer under this hash. */
export function offersHash(hash: Uint8Array): (message: ServerToAgent) => boolean {
  return ({ remoteConfig }) => remoteConfig !== undefined && Buffer.compare(remoteConfig.configHash, hash) === 0;
}
