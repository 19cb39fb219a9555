// Asks a service of the operators' whether a stage may pass: a signed POST, answered with a verdict. Signed as the
// Standard Webhooks specification says (https://github.com/standard-webhooks/standard-webhooks), so that a receiver can
// verify with any of its libraries. Called by measure.ts; what an answer means for the gate is fleet's (gate-verdict.ts).
//
// Workers sit inside the network, and whoever may start a rollout chooses the URL: only hosts that the installation lists
// are asked, and redirects are not followed.

import { createHmac } from "node:crypto";
import type { WebhookGate } from "@muster/fleet";
import { type ConfigId, FleetError, type RolloutCounts, type RolloutId } from "@muster/fleet";
import { type PostAnswer, post } from "./post.ts";

/** What a webhook is told. */
export interface WebhookQuestion {
  readonly rolloutId: RolloutId;
  readonly configId: ConfigId;
  readonly revision: number;
  /** From 0. */
  readonly stage: number;
  readonly stageName: string;
  readonly gate: WebhookGate;
  /** The gate's place in its stage, from 0. */
  readonly gateIndex: number;
  /** Number of the measurement, from 0. */
  readonly n: number;
  /** How many agents are in each state. */
  readonly counts: RolloutCounts;
}

/** What it said. */
export interface WebhookAnswer {
  readonly outcome: "success" | "failure" | "inconclusive" | "not_yet";
  readonly message: string;
}

/** Asks once. @throws FleetError with a sentence for people when there is no answer that can be understood */
export type AskWebhook = (question: WebhookQuestion, signal: AbortSignal) => Promise<WebhookAnswer>;

/** What the installation allows. */
export interface WebhookOptions {
  /** `whsec_` and 24 to 64 bytes in base64; undefined: webhooks cannot be asked. */
  readonly secret: (() => string) | undefined;
  /** As URLs spell them: `ci.example.com`, with the port when it is not the scheme's own (`ci.example.com:8443`). */
  readonly hosts: readonly string[];
  nowMs(): number;
}

const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_MESSAGE_LENGTH = 500;
const OUTCOMES = { pass: "success", fail: "failure", inconclusive: "inconclusive", not_yet: "not_yet" } as const;
type Verdict = keyof typeof OUTCOMES;

/** A way to ask webhooks. */
export function createWebhook({ secret, hosts, nowMs }: WebhookOptions): AskWebhook {
  const allowed = new Set(hosts.map((host) => host.toLowerCase()));
  return async (question, signal) => {
    const { gate } = question;
    const url = new URL(gate.url);
    if (secret === undefined) throw forbidden("Webhooks cannot be signed; set MUSTER_ROLLOUT_WEBHOOK_SECRET.");
    if (!namesOf(url).some((name) => allowed.has(name))) {
      throw forbidden(`The host ${url.host} may not be asked; add it to MUSTER_ROLLOUT_WEBHOOK_HOSTS.`);
    }
    const atMs = nowMs();
    const body = JSON.stringify(bodyOf(question, atMs));
    const headers = { "content-type": "application/json", ...sign(idOf(question), atMs, body, secret()) };
    const limits = { deadlineMs: gate.timeoutMs, maxBytes: MAX_ANSWER_BYTES };
    return read(await post(url, { headers, body }, limits, signal), url.host);
  };
}

/** The headers that vouch for a body: https://github.com/standard-webhooks/standard-webhooks, "Signature scheme". */
export function sign(id: string, atMs: number, body: string, secret: string): Readonly<Record<string, string>> {
  const timestamp = `${Math.floor(atMs / 1_000)}`;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
}

/** A URL drops the port that its scheme has anyway; a list may name it. */
function namesOf({ protocol, hostname, host, port }: URL): readonly string[] {
  return [host, `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`];
}

/** The same for a measurement that is taken again because a worker died with the answer. Must not contain a dot. */
function idOf({ rolloutId, stage, gateIndex, n }: WebhookQuestion): string {
  return `gate_${rolloutId}_${stage}_${gateIndex}_${n}`;
}

function bodyOf(question: WebhookQuestion, atMs: number) {
  return {
    type: "muster.gate",
    timestamp: new Date(atMs).toISOString(),
    rollout_id: question.rolloutId,
    config_id: question.configId,
    revision: question.revision,
    stage: question.stage,
    stage_name: question.stageName,
    gate: question.gate.name,
    attempt: question.n + 1,
    counts: question.counts,
  };
}

function read({ status, text }: PostAnswer, host: string): WebhookAnswer {
  const { verdict, message } = parseAnswer(text);
  const said = (word: Verdict): WebhookAnswer => {
    return { outcome: OUTCOMES[word], message: message || `${host} said ${word.replace("_", " ")}.` };
  };
  if (status === 202) return said("not_yet");
  if ((status === 200 || status === 204) && text.trim() === "") return said("pass");
  if (status >= 200 && status < 300) {
    if (verdict !== null) return said(verdict);
    const verdicts = Object.keys(OUTCOMES).join(", ");
    throw unclear(
      `${host} gave no verdict (HTTP ${status}); it must answer JSON whose "verdict" is one of ${verdicts}.`,
    );
  }
  if (status >= 300 && status < 400) throw unclear(`${host} redirects (HTTP ${status}), which is not followed.`);
  throw unclear(`${host} answered HTTP ${status}.`);
}

/** What of an answer we know; anything else in it is its sender's business. */
function parseAnswer(text: string): { readonly verdict: Verdict | null; readonly message: string } {
  try {
    const { verdict, message } = JSON.parse(text) as { readonly verdict?: unknown; readonly message?: unknown }; // checked
    const isKnown = typeof verdict === "string" && Object.hasOwn(OUTCOMES, verdict);
    return {
      verdict: isKnown ? (verdict as Verdict) : null, // the line above
      message: typeof message === "string" ? oneLine(message) : "",
    };
  } catch {
    return { verdict: null, message: "" };
  }
}

/** Somebody else's words, fit for a log line and a screen. */
function oneLine(text: string): string {
  return text
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, MAX_MESSAGE_LENGTH);
}

function forbidden(sentence: string): FleetError {
  return new FleetError("failed_precondition", sentence);
}

function unclear(sentence: string): FleetError {
  return new FleetError("unavailable", sentence);
}
