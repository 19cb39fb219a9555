// Takes in what agents measure of themselves: OTLP metrics over HTTP, of which it keeps CPU and memory, and of these what is
// news (fleet's usage-news.ts). No backend for metrics: everything else is skipped unread. Called by the sockets (socket.ts).
//
// Invariants
//   M1. A request is answered with 200 when all that was news of it is written, so that its client sends it again when it
//       could not be. What could be is no news then: however many one request is about, each time writes more of them.
//       A gateway that leaves waits for its answers (socket.ts).
//   M2. What waits to be written is bounded, and so is what is remembered: agents that were not heard of for the longest
//       time begin anew.
//       A request's body, up to the largest there may be, is let go before its news are written.
//   M3. What is remembered of an agent is so of the identity that said it: nobody spoils what the owner says.

import {
  hear,
  type InstanceUid,
  isUsageMetric,
  news,
  type OwnUsage,
  parseInstanceUid,
  UNTOLD,
  type UsageState,
  wrote,
} from "@muster/fleet";
import { ProtocolError, parseUid, type ScannedMetrics, type ScannedResource, scanMetrics } from "@muster/protocol";
import type { UsageOutcome, Usages } from "@muster/store";
import { LRUCache } from "lru-cache";
import { createSharedBucket, type TakeSome } from "./bucket.ts";
import type { Counts } from "./metrics.ts";
import { encodeRefusal, encodeTaken, type Refusal, type Refused } from "./otlp-answer.ts";
import type { Exchange, HttpStatus, PostRoute } from "./socket.ts";
import { pointsOf } from "./usage-points.ts";

/** Where agents send their metrics, as OTLP has it. */
export const METRICS_PATH = "/v1/metrics";

/** What it needs of the world. */
export interface OwnMetricsDeps {
  readonly usages: Usages;
  readonly counts: Counts;
  nowMs(): number;
  /** Jittered, so that those who are told to come back do not come back together. */
  retryAfterS(): number;
  onError(error: unknown): void;
  /** Agents that are remembered; MAX_AGENTS unless told. */
  readonly maxAgents?: number;
}

/** The receiver. */
export interface OwnMetrics extends PostRoute {
  /** The fleet state was lost: all is news again. */
  forget(): void;
}

/**
 * Agents that are remembered, each in 550 bytes: more than one gateway serves, and than forwarders tell one of. Beyond it, who
 * has to be heard twice is forgotten before, and others are news each time; usagesForgotten counts it.
 */
const MAX_AGENTS = 250_000;
/** Agents that wait to be written. */
const MAX_WAITING = 20_000;
/** News that a gateway writes: a fleet that is told to send its metrics does so at once, and projectors have other work. */
const NEWS_PER_SECOND = 2_000;
const NEWS_BURST_SECONDS = 5;
/** For how long a refusal is believed: an agent may connect meanwhile. */
const REFUSED_MS = 30_000;
const MAX_REFUSED = 10_000;

/** An agent in a request. */
interface Teller {
  readonly uid: InstanceUid;
  /** What is remembered of it is under this (M3). */
  readonly key: string;
  readonly resources: ScannedResource[];
}

/** What of an agent is to be written. It refers to nothing of the request (M2). */
interface Due {
  readonly uid: InstanceUid;
  readonly key: string;
  readonly usage: OwnUsage;
  /** Of its resources, should they be refused. */
  readonly pointCounts: readonly number[];
}

/** Opens the receiver. */
export function createOwnMetrics(deps: OwnMetricsDeps): OwnMetrics {
  return new Receiver(deps);
}

class Receiver implements OwnMetrics {
  readonly path = METRICS_PATH;
  readonly explain = encodeRefusal;
  readonly #deps: OwnMetricsDeps;
  readonly #states: LRUCache<string, UsageState>;
  readonly #refused: LRUCache<string, Refusal>;
  readonly #takeNews: TakeSome;
  #waiting = 0;

  constructor(deps: OwnMetricsDeps) {
    this.#deps = deps;
    this.#states = new LRUCache({
      max: deps.maxAgents ?? MAX_AGENTS,
      dispose: (_state, _key, reason) => {
        if (reason === "evict") deps.counts.usagesForgotten += 1;
      },
    });
    // No clock of its own, and no timer that it would read it by.
    this.#refused = new LRUCache({ max: MAX_REFUSED, ttl: REFUSED_MS, ttlResolution: 0, perf: { now: deps.nowMs } });
    this.#takeNews = createSharedBucket(NEWS_PER_SECOND, NEWS_BURST_SECONDS, deps.nowMs);
  }

  post(exchange: Exchange, body: Uint8Array): void {
    this.#deps.counts.ownMetricsRequests += 1;
    const scanned = scanMetrics(body, isUsageMetric);
    if (scanned instanceof ProtocolError) {
      return refuse(exchange, scanned.code === "too_large" ? 413 : 400, scanned.message);
    }
    const nowMs = this.#deps.nowMs();
    const [due, refused] = this.#hearAll(scanned, exchange.identity, nowMs);
    void this.#take(exchange, due, refused, nowMs); // never rejects
  }

  unreadable(exchange: Exchange): void {
    refuse(exchange, 400, "The body is not the gzip that Content-Encoding says it is.");
  }

  forget(): void {
    this.#states.clear();
    this.#refused.clear();
  }

  /** Never rejects. It is given nothing that holds the request's body (M2). */
  async #take(exchange: Exchange, due: readonly Due[], refused: Refused[], nowMs: number): Promise<void> {
    try {
      const count = this.#takeNews(Math.min(due.length, MAX_WAITING - this.#waiting));
      const writing = due.slice(0, count);
      const outcomes = await Promise.all(writing.map((each) => this.#write(each, exchange.identity, nowMs)));
      if (outcomes.includes("full")) {
        return this.#later(exchange, 503, "What agents say is not worked off at present; send it again later.");
      }
      if (count < due.length) {
        return this.#later(exchange, 429, "More agents tell what they take than can be written; send it again later.");
      }
      for (const [i, outcome] of outcomes.entries()) {
        const { pointCounts = [] } = due[i] ?? {};
        if (outcome === "unknown" || outcome === "foreign")
          refused.push(...pointCounts.map((pointCount) => ({ refusal: outcome, pointCount })));
      }
      this.#deps.counts.ownMetricsRefusals += refused.length;
      exchange.respond(200, encodeTaken(refused));
    } catch (error) {
      this.#deps.counts.storeErrors += 1;
      this.#deps.onError(error);
      this.#later(exchange, 503, "The server cannot reach its store; send it again later.");
    }
  }

  /** What of a request is to be written, and what of it is refused already. */
  #hearAll(scanned: ScannedMetrics, identity: string, nowMs: number): [readonly Due[], Refused[]] {
    const [tellers, refused] = this.#attribute(scanned, identity);
    const due = tellers.flatMap(({ uid, key, resources }) => {
      const usage = this.#hear(key, resources, nowMs);
      return usage === null ? [] : [{ uid, key, usage, pointCounts: resources.map(scanned.countPoints) }];
    });
    return [due, refused];
  }

  /** Whose resources they are, and those that are nobody's or were refused a moment ago. */
  #attribute({ resources, countPoints }: ScannedMetrics, identity: string): [readonly Teller[], Refused[]] {
    const tellers = new Map<string, Teller>();
    const refused: Refused[] = [];
    for (const resource of resources) {
      const { instanceId, metrics } = resource;
      const isNamed = !(parseUid(instanceId) instanceof ProtocolError);
      const key = isNamed ? `${identity} ${instanceId.toLowerCase()}` : "";
      const refusal = isNamed ? this.#refused.get(key) : "nameless";
      if (refusal !== undefined) refused.push({ refusal, pointCount: countPoints(resource) });
      else if (metrics.length > 0) {
        const teller = tellers.get(key) ?? { uid: parseInstanceUid(instanceId), key, resources: [] };
        teller.resources.push(resource);
        tellers.set(key, teller);
      }
    }
    return [[...tellers.values()], refused];
  }

  /** Remembers what an agent says; answers what of it is to be written. */
  #hear(key: string, resources: readonly ScannedResource[], nowMs: number): OwnUsage | null {
    const before = this.#states.get(key) ?? UNTOLD;
    const said = resources.map(({ metrics }) => metrics.flatMap(pointsOf));
    const state = said.reduce((at, points) => hear(at, points, nowMs), before);
    this.#states.set(key, state);
    return news(state, nowMs);
  }

  async #write({ uid, key, usage }: Due, identity: string, nowMs: number): Promise<UsageOutcome> {
    const before = this.#states.get(key)?.written ?? null;
    // As if it were written already: what comes meanwhile is no news.
    this.#change(key, (state) => wrote(state, usage, nowMs));
    this.#waiting += 1;
    let outcome: UsageOutcome = "full";
    try {
      outcome = await this.#deps.usages.append(uid, { usage, identity });
    } finally {
      this.#waiting -= 1;
      if (outcome === "full") this.#change(key, (state) => ({ ...state, written: before }));
    }
    if (outcome === "written") this.#deps.counts.usagesWritten += 1;
    else if (outcome !== "full") {
      this.#states.delete(key);
      this.#refused.set(key, outcome);
    }
    return outcome;
  }

  #change(key: string, change: (state: UsageState) => UsageState): void {
    const state = this.#states.get(key);
    if (state !== undefined) this.#states.set(key, change(state));
  }

  #later(exchange: Exchange, status: HttpStatus, sentence: string): void {
    refuse(exchange, status, sentence, this.#deps.retryAfterS());
  }
}

function refuse(exchange: Exchange, status: HttpStatus, sentence: string, retryAfterS?: number): void {
  exchange.respond(status, encodeRefusal(sentence), retryAfterS);
}
