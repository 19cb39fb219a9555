// Assertions that many cases make about messages.

import { ServerErrorResponseType, type ServerToAgent } from "@muster/protocol/opamp";
import type { Agent } from "./agent.ts";
import { ensure, Failure } from "./check.ts";
import { Refused } from "./driver.ts";
import { type Answer, describeAnswer } from "./link.ts";
import { asksFullState, describe } from "./wire.ts";

/** A reply without error. @throws Failure */
export function ensureTakenIn(message: ServerToAgent): void {
  ensure(message.errorResponse === undefined, "a reply without error_response", () => describe(message));
}

/** A reply with BAD_REQUEST. @throws Failure */
export function ensureBadRequest(answer: Answer): asserts answer is Extract<Answer, { kind: "message" }> {
  const error = answer.kind === "message" ? answer.message.errorResponse : undefined;
  ensure(error?.type === ServerErrorResponseType.ServerErrorResponseType_BadRequest, "error_response BAD_REQUEST", () =>
    describeAnswer(answer),
  );
}

/** The message asks for full state. @throws Failure */
export function ensureAsksFullState(message: ServerToAgent): void {
  ensure(asksFullState(message), "the flag ReportFullState", () => describe(message));
}

/** The message asks for nothing. @throws Failure */
export function ensureAsksNothing(message: ServerToAgent): void {
  ensureTakenIn(message);
  ensure(message.flags === 0n, "no flags", () => describe(message));
}

/** The agent is asked for full state, in this reply or in what comes next. @throws Failure */
export async function untilAsked(agent: Agent, reply: ServerToAgent): Promise<void> {
  if (!asksFullState(reply)) await agent.until(asksFullState, "the flag ReportFullState", { isBeating: false });
}

/** The server refuses what it is told. @throws Failure */
export async function ensureRefused(what: string, told: Promise<unknown>): Promise<void> {
  try {
    await told;
  } catch (error) {
    if (error instanceof Refused) return;
    throw error;
  }
  throw new Failure(`the server to refuse ${what}`, "it took it");
}

/** Whether the server took what it was told; false when it refused. */
export async function isTaken(told: Promise<unknown>): Promise<boolean> {
  try {
    await told;
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

/** For waits: a message with a config. */
export const offersConfig = (message: ServerToAgent): boolean => message.remoteConfig !== undefined;
/** For waits: a message with connection settings. */
export const offersConnections = (message: ServerToAgent): boolean => message.connectionSettings !== undefined;
/** For waits: a message with packages. */
export const offersPackages = (message: ServerToAgent): boolean => message.packagesAvailable !== undefined;
/** For waits: a command. */
export const commands = (message: ServerToAgent): boolean => message.command !== undefined;
