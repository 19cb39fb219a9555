// The agents of one load process, and the ways in which they are made to talk: in lanes, in a closed loop, in an open loop,
// and with changes. Carries out the orders of orders.ts; main.ts brings them.

import { setTimeout as sleep } from "node:timers/promises";
import { LeanAgent, type Shared, type Target, type Totals } from "./agent.ts";
import type { Counts, Order, Outcome, Range } from "./orders.ts";

/** Enough for any answer of a server; a longer one is read in parts. */
const READ_BYTES = 64 * 1024;
/** Heartbeats on their way at once when everybody sends one. */
const BEATS_IN_FLIGHT = 500;
const POLL_MS = 5;
/** How long an order may take before it is given up. */
const PATIENCE_MS = 300_000;

/** The agents of this process. */
export class Crowd {
  readonly #agents: LeanAgent[] = [];
  readonly #totals: Totals = { sent: 0, answers: 0, connects: 0, refusals: 0, losses: 0, offers: 0 };
  #shared: Shared | null = null;
  /** Who beats next: the loop may stop and go on, and everybody has a turn before anybody has a second. */
  readonly #nextBeat = { place: 0 };
  #beating: NodeJS.Timeout | undefined;
  #churning: NodeJS.Timeout | undefined;
  #cutting: NodeJS.Timeout | undefined;

  /** Carries out an order. Rejects when it takes too long. */
  async obey(order: Order): Promise<Outcome> {
    const startedAtMs = performance.now();
    const before = this.#totals.answers;
    await this.#carryOut(order);
    const elapsedMs = performance.now() - startedAtMs;
    const range = order.kind === "count" ? order.range : { from: 0, count: this.#agents.length };
    return { elapsedMs, answers: this.#totals.answers - before, counts: this.#count(range) };
  }

  async #carryOut(order: Order): Promise<void> {
    switch (order.kind) {
      case "prepare":
        return this.#prepare(order);
      case "connect":
        return await this.#connect(order.laneCount);
      case "beat":
        return await this.#beat(order.range);
      case "loop":
        return await this.#loop(order.connectionCount, order.forMs);
      case "beat-every":
        clearInterval(this.#beating);
        this.#beating = this.#inTurn(order.periodMs, (agent) => agent.heartbeat(), this.#nextBeat);
        return;
      case "churn":
        return this.#churn(order.periodMs, order.cutsPerSecond);
      case "turn-health":
        for (const agent of this.#range(order.range)) agent.turnHealth();
        return;
      case "count":
        return;
      case "stop":
        return await this.#stop();
    }
  }

  /** Adds agents; those that are there already stay. */
  #prepare(order: Extract<Order, { kind: "prepare" }>): void {
    this.#shared ??= {
      targets: order.urls.map(targetOf),
      isSpread: order.isSpread,
      applyMs: order.applyMs,
      random: Math.random,
      counts: this.#totals,
      buffer: Buffer.allocUnsafe(READ_BYTES),
      onAnswer: () => {},
      onAttempted: () => {},
    };
    const nowMs = Date.now();
    for (let index = order.firstIndex; index < order.firstIndex + order.count; index++) {
      const agent = new LeanAgent({ seed: order.seed, index, configBytes: order.configBytes }, this.#shared);
      agent.prepare(nowMs);
      this.#agents.push(agent);
    }
  }

  async #connect(laneCount: number): Promise<void> {
    const waiting = this.#agents.filter((agent) => !agent.isUp);
    const queue = waiting[Symbol.iterator]();
    const startNext = (): void => {
      const next = queue.next();
      if (next.done !== true) next.value.connect();
    };
    const first = new Set(waiting);
    // Whatever came of an agent's first attempt, the next of its lane begins.
    this.#use({ onAttempted: (agent) => first.delete(agent) && startNext() });
    for (let lane = 0; lane < laneCount; lane++) startNext();
    await this.#until(() => waiting.every((agent) => agent.isUp), "every agent to be answered");
    this.#use({ onAttempted: () => {} });
  }

  async #beat(range: Range): Promise<void> {
    const agents = this.#range(range).filter((agent) => agent.isUp);
    const queue = agents[Symbol.iterator]();
    const waiting = new Set(agents);
    const sendNext = (): void => void queue.next().value?.heartbeat();
    this.#use({ onAnswer: (agent) => waiting.delete(agent) && sendNext() });
    for (let i = 0; i < BEATS_IN_FLIGHT; i++) sendNext();
    await this.#until(() => waiting.size === 0, "every heartbeat to be answered");
    this.#use({ onAnswer: () => {} });
  }

  async #loop(connectionCount: number, forMs: number): Promise<void> {
    const agents = this.#range({ from: 0, count: connectionCount });
    this.#use({ onAnswer: (agent) => agent.unanswered === 0 && agent.heartbeat() });
    for (const agent of agents) agent.heartbeat();
    await sleep(forMs);
    this.#use({ onAnswer: () => {} });
    // What is on its way would be answered in the next loop, and make two of one.
    await this.#until(() => agents.every(({ unanswered }) => unanswered <= 0), "the last answers of a loop");
  }

  #churn(periodMs: number, cutsPerSecond: number): void {
    clearInterval(this.#churning);
    clearInterval(this.#cutting);
    this.#churning = this.#inTurn(periodMs, (agent) => agent.turnHealth());
    const cutEveryMs = cutsPerSecond === 0 ? 0 : (this.#agents.length * 1_000) / cutsPerSecond;
    this.#cutting = this.#inTurn(cutEveryMs, (agent) => agent.cut());
  }

  /** Has every agent do something once in a period, one after the other from `next` on; nothing for 0. */
  #inTurn(periodMs: number, act: (agent: LeanAgent) => void, next = { place: 0 }): NodeJS.Timeout | undefined {
    if (periodMs === 0) return undefined;
    const { length } = this.#agents;
    const startedAtMs = performance.now();
    let done = 0;
    const actOnThoseDue = (): void => {
      const due = ((performance.now() - startedAtMs) / periodMs) * length;
      for (; done < due; done++) {
        const agent = this.#agents[next.place];
        next.place = (next.place + 1) % length;
        if (agent !== undefined) act(agent);
      }
    };
    return setInterval(actOnThoseDue, 1);
  }

  async #stop(): Promise<void> {
    for (const timer of [this.#beating, this.#churning, this.#cutting]) clearInterval(timer);
    for (const agent of this.#agents) agent.close();
    await sleep(POLL_MS);
  }

  #use(change: Partial<Pick<Shared, "onAnswer" | "onAttempted">>): void {
    if (this.#shared !== null) Object.assign(this.#shared, change);
  }

  #range({ from, count }: Range): readonly LeanAgent[] {
    return this.#agents.slice(from, from + count);
  }

  #count(range: Range): Counts {
    let up = 0;
    for (const agent of this.#agents) if (agent.isUp) up++;
    const fullStateRequests = this.#range(range).reduce((sum, agent) => sum + agent.fullStateRequests, 0);
    return { ...this.#totals, agents: this.#agents.length, up, fullStateRequests };
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS;
    while (!condition()) {
      if (performance.now() > untilMs) throw new Error(`waited ${PATIENCE_MS / 1_000} s for ${what}`);
      await sleep(POLL_MS);
    }
  }
}

function targetOf(url: string): Target {
  const { hostname, port, pathname, protocol } = new URL(url);
  if (protocol !== "ws:") throw new Error(`${url}: load tests speak plain WebSocket, ws://`);
  const upgrade = [
    `GET ${pathname} HTTP/1.1`,
    `Host: ${hostname}:${port || 80}`,
    "User-Agent: Go-http-client/1.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: bXVzdGVyLWxvYWQtdGVzdA==",
  ];
  return { host: hostname, port: Number(port || 80), upgrade: `${upgrade.join("\r\n")}\r\n\r\n` };
}
