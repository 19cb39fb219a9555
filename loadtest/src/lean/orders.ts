// What the driver of a load test tells its load processes, and what they answer. Plain data: it crosses a process.

/** An order. Each is answered once it is carried out. */
export type Order =
  | {
      readonly kind: "prepare";
      readonly urls: readonly string[];
      /** Whether agents begin with different servers; else all with the first. */
      readonly isSpread: boolean;
      readonly firstIndex: number;
      readonly count: number;
      readonly seed: number;
      readonly configBytes: number;
      readonly applyMs: number;
    }
  /** Connects everybody in so many lanes; carried out when each was answered once. */
  | { readonly kind: "connect"; readonly laneCount: number }
  /** A heartbeat of each agent of the range; carried out when all were answered. */
  | { readonly kind: "beat"; readonly range: Range }
  /** The first `connectionCount` agents send heartbeats, each the next as soon as one is answered, for so long. */
  | { readonly kind: "loop"; readonly connectionCount: number; readonly forMs: number }
  /** From now on every agent sends a heartbeat once in a period, evenly spread; 0 ends that. */
  | { readonly kind: "beat-every"; readonly periodMs: number }
  /** From now on every agent changes its health once in a period, and so many connections a second break; 0 ends that. */
  | { readonly kind: "churn"; readonly periodMs: number; readonly cutsPerSecond: number }
  /** The agents of the range change their health, without waiting for answers. */
  | { readonly kind: "turn-health"; readonly range: Range }
  | { readonly kind: "count"; readonly range: Range }
  | { readonly kind: "stop" };

/** Agents of one process, from `from` on. */
export interface Range {
  readonly from: number;
  readonly count: number;
}

/** The answer to an order. */
export interface Outcome {
  readonly elapsedMs: number;
  /** Messages that the server answered while the order was carried out. */
  readonly answers: number;
  readonly counts: Counts;
}

/** Sums over a process since it began; `fullStateRequests` of the range that was asked about, else of all. */
export interface Counts {
  readonly agents: number;
  readonly up: number;
  readonly sent: number;
  readonly answers: number;
  readonly connects: number;
  readonly refusals: number;
  readonly losses: number;
  readonly offers: number;
  readonly fullStateRequests: number;
}

/** An order on its way, and its answer. */
export interface Envelope {
  readonly id: number;
  readonly order: Order;
}

/** What comes back: an outcome, or why there is none. */
export type Reply =
  | { readonly id: number; readonly outcome: Outcome }
  | { readonly id: number; readonly failure: string };

/** Adds up what several processes counted. */
export function addCounts(all: readonly Counts[]): Counts {
  const sum = (name: keyof Counts): number => all.reduce((total, counts) => total + counts[name], 0);
  return {
    agents: sum("agents"),
    up: sum("up"),
    sent: sum("sent"),
    answers: sum("answers"),
    connects: sum("connects"),
    refusals: sum("refusals"),
    losses: sum("losses"),
    offers: sum("offers"),
    fullStateRequests: sum("fullStateRequests"),
  };
}
