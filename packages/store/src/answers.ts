// What came of requests that bring an id, so that a repeat within a day is answered as the first time and changes nothing.
// Control state, sealed. Configs and rollouts know their requests in their own scripts, too (requestKey in configs.ts): a process
// that dies between the change and its answer leaves a claim that ends, and the repeat finds there what was done.

import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { REQUEST_TTL_S } from "./configs.ts";
import { claimAnswer, keepAnswer } from "./gen/scripts.ts";
import { controlKeys } from "./keys.ts";
import { pause, run, runBinary } from "./redis.ts";
import { createSeal } from "./seal.ts";

/** What is known of a request id. */
export type Claim =
  | { readonly kind: "claimed"; readonly word: string }
  /** What `keep` was given. */
  | { readonly kind: "answered"; readonly answer: Buffer }
  /** Another call with this id is still at work. */
  | { readonly kind: "busy" };

/** Answers by request id. */
export interface Answers {
  /** Claims an id, once per method, or finds the answer; waits for the call that has it while `signal` lets it. */
  claim(method: string, requestId: string, signal: AbortSignal): Promise<Claim>;
  /** Says that the call is still at work; to be said again within RENEW_MS. */
  renew(method: string, requestId: string, word: string): Promise<void>;
  /** Keeps the answer for a day. */
  keep(method: string, requestId: string, word: string, answer: Uint8Array): Promise<void>;
  /** Lets go of the id: nothing came of the request, and a repeat may try again. */
  release(method: string, requestId: string, word: string): Promise<void>;
}

/** How long a claim holds of which nothing more is heard. */
const CLAIM_MS = 60_000;
/** How often a call that is at work says so. */
export const RENEW_MS = CLAIM_MS / 3;
/** How often a call looks for the answer of another with its id, and how many times. */
const LOOK_MS = 100;
const MAX_LOOKS = 100;

/** @param secret the installation's 32-byte key */
export function createAnswers(control: Redis, secret: Uint8Array): Answers {
  const seal = createSeal(secret, "answer seal");
  const keysOf = (method: string, requestId: string) => [controlKeys.answer(`${method}:${requestId}`)];
  return {
    async claim(method, requestId, signal) {
      const word = randomBytes(12).toString("base64url");
      for (let looks = 0; looks < MAX_LOOKS && !signal.aborted; looks++) {
        const reply = await runBinary(control, claimAnswer, keysOf(method, requestId), [word, CLAIM_MS]);
        const found = reply as Buffer; // the script's header
        if (found.length === 0) return { kind: "claimed", word };
        if (found[0] === ANSWERED) return { kind: "answered", answer: seal.open(found.subarray(1)) };
        await pause(LOOK_MS, signal);
      }
      return { kind: "busy" };
    },
    async renew(method, requestId, word) {
      await run(control, claimAnswer, keysOf(method, requestId), [word, CLAIM_MS]);
    },
    async keep(method, requestId, word, answer) {
      await run(control, keepAnswer, keysOf(method, requestId), [word, seal.close(answer), REQUEST_TTL_S]);
    },
    async release(method, requestId, word) {
      await run(control, keepAnswer, keysOf(method, requestId), [word, "", 0]);
    },
  };
}

const ANSWERED = "a".charCodeAt(0);
