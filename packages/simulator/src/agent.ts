// One agent over a real socket: the shell around the state machine. Owns the transport, the timers and the
// clock; decides nothing but when to dial again.
//
// A class, not closures: thousands of agents share one process and an idle one must stay small.

import type { Backoff } from "./backoff.ts";
import { retryMs } from "./backoff.ts";
import type { AgentEvent } from "./event.ts";
import { eventsOf } from "./event.ts";
import type { ActiveMisbehaviour, Misbehaviour } from "./misbehaviour.ts";
import { activate, behave } from "./misbehaviour.ts";
import type { Behaviour } from "./profile.ts";
import type { AgentState, AttributePairs, ConfigStatus, Effect, Identity, Input } from "./state.ts";
import { assertNever } from "./state.ts";
import { createSupervisor } from "./supervisor.ts";
import { Timers } from "./timers.ts";
import type { Dial, Refusal, Transport, TransportListener } from "./transport.ts";
import type { HttpPool } from "./transport-http.ts";
import { openHttp } from "./transport-http.ts";
import { openWebSocket } from "./transport-ws.ts";
import type { AgentCounts, AgentView } from "./view.ts";
import { createCounts, viewOf } from "./view.ts";

/** What an agent is made of. Objects may be shared between agents. */
export interface AgentOptions {
  readonly identity: Identity;
  /** ws, wss, http or https URL of the server. */
  readonly endpoint: string;
  readonly behaviour: Behaviour;
  readonly backoff: Backoff;
  /** Randomness for jitter, in [0, 1). */
  readonly random: () => number;
  /** Connections for plain HTTP. The agent does not close it. */
  readonly pool: HttpPool;
  /** Headers of the upgrade or of every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Source address of connections. */
  readonly localAddress: string | undefined;
  /** How many events are kept; older ones are forgotten. */
  readonly maxEvents: number;
  /** Called with every event as it happens. Must not throw. */
  readonly onEvent: ((event: AgentEvent, agent: Agent) => void) | undefined;
}

/** One simulated agent. It does nothing until `start` and holds the process until `stop` or `kill`. */
export class Agent {
  /** Totals since creation; read only from outside. */
  readonly counts: AgentCounts = createCounts();
  readonly #options: AgentOptions;
  readonly #timers = new Timers((timer) => this.#feed({ kind: "timer", timer, atMs: Date.now() }));
  #state: AgentState;
  #active: ActiveMisbehaviour | undefined;
  #transport: Transport | undefined;
  #connected = false;
  #headers: Readonly<Record<string, string>>;
  #attempt = 0;
  #redial: NodeJS.Timeout | undefined;
  #closing: Promise<void> = Promise.resolve();
  #events: AgentEvent[] = [];
  #attemptWaiters: ((connected: boolean) => void)[] = [];

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#headers = options.headers;
    this.#state = createSupervisor(options.behaviour, options.identity, options.endpoint);
  }

  /** The uid the agent uses now, as canonical text. */
  get uid(): string {
    return this.#state.uid;
  }

  /** True while there is a connection; over HTTP while requests are answered. */
  get connected(): boolean {
    return this.#connected;
  }

  /** The config status as the agent would report it now. */
  get configStatus(): ConfigStatus["status"] {
    return this.#state.status.status;
  }

  /** What can be seen of the agent now. */
  state(): AgentView {
    return viewOf(this.#state, this.#connected);
  }

  /** The most recent events, oldest first. */
  events(): readonly AgentEvent[] {
    return this.#events;
  }

  /** Resolves with the outcome of the present or next attempt to connect; false also when the signal aborts. */
  attempted(signal: AbortSignal): Promise<boolean> {
    if (this.#connected || signal.aborted) return Promise.resolve(this.#connected);
    return new Promise((resolve) => {
      const abort = (): void => resolve(false);
      signal.addEventListener("abort", abort, { once: true });
      this.#attemptWaiters.push((connected) => {
        signal.removeEventListener("abort", abort);
        resolve(connected);
      });
    });
  }

  /** Starts the process: the Collector on what is stored, and a connection with a full first report. */
  start(): void {
    this.#headers = this.#options.headers;
    this.#feed({ kind: "started", atMs: Date.now() });
  }

  /** Sends a message without any change now. */
  heartbeat(): void {
    this.#feed({ kind: "heartbeat", atMs: Date.now() });
  }

  /** Reports this health until the agent's own changes. */
  reportHealth(health: { readonly healthy: boolean; readonly status?: string; readonly lastError?: string }): void {
    const { healthy, status = healthy ? "StatusOK" : "StatusRecoverableError", lastError = "" } = health;
    this.#feed({ kind: "health", health: { healthy, status, lastError }, atMs: Date.now() });
  }

  /** Adds or replaces non-identifying attributes and reports the description. */
  describe(attributes: AttributePairs): void {
    this.#feed({ kind: "describe", attributes, atMs: Date.now() });
  }

  /** Kills the Collector, as the kernel does when memory is short. */
  killCollector(exitCode = -1): void {
    this.#feed({ kind: "collector-killed", exitCode, atMs: Date.now() });
  }

  /** Cuts the TCP connection; the agent notices and connects again at once. */
  disconnectTcp(): void {
    if (this.#transport === undefined) return;
    this.#transport.destroy();
    this.#closed(1006);
  }

  /** Misbehaves from now on; undefined: no more. A duplicate uid takes a restart to show. */
  misbehave(misbehaviour: Misbehaviour | undefined): void {
    if (misbehaviour === undefined) this.#active = undefined;
    else [this.#state, this.#active] = activate(this.#state, misbehaviour);
  }

  /** Ends the process in an orderly way, or as if the machine died, and starts it again. */
  async restart(options: { readonly graceful?: boolean } = {}): Promise<void> {
    if (options.graceful ?? true) await this.stop();
    else this.kill();
    this.start();
  }

  /** Says goodbye and closes; resolves when the connection is over. The disk stays for the next `start`. */
  async stop(): Promise<void> {
    this.#feed({ kind: "stopping", atMs: Date.now() });
    await this.#closing;
  }

  /** Ends without a word, as if the machine died. The disk stays for the next `start`. */
  kill(): void {
    this.#feed({ kind: "killed", atMs: Date.now() });
  }

  #feed(input: Input): void {
    const [state, effects] = behave(this.#state, input, this.#active);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "send":
        this.counts.sent++;
        this.#transport?.send(effect.message);
        return;
      case "arm":
        this.#timers.arm(effect.timer, effect.afterMs);
        return;
      case "disarm":
        this.#timers.disarm(effect.timer);
        return;
      case "connect":
        this.#attempt = 0;
        this.#dial();
        return;
      case "move":
        this.#headers = Object.fromEntries(effect.headers);
        this.#close();
        this.#attempt = 0;
        this.#dial();
        return;
      case "close":
        this.#close();
        return;
      case "vanish":
        this.#transport?.destroy();
        this.#detach();
        return;
      default:
        assertNever(effect);
    }
  }

  #dial(): void {
    this.#transport?.destroy();
    const { localAddress, pool, backoff, random, behaviour } = this.#options;
    const dial: Dial = { endpoint: this.#state.endpoint, headers: this.#headers, localAddress };
    this.#transport = behaviour.halfDuplex
      ? openHttp(dial, this.#listener(), { pool, backoff, random, nowMs: Date.now })
      : openWebSocket(dial, this.#listener(), Date.now);
  }

  #listener(): TransportListener {
    return {
      connected: () => {
        if (!this.#options.behaviour.halfDuplex) this.#online();
        this.#feed({ kind: "connected", atMs: Date.now() });
      },
      received: (message) => {
        const atMs = Date.now();
        this.counts.received++;
        for (const event of eventsOf(message, atMs)) this.#note(event);
        this.#feed({ kind: "received", message, atMs });
      },
      answered: (delivered) => {
        if (delivered) this.#online();
        this.#feed({ kind: "answered", atMs: Date.now() });
      },
      closed: (code) => this.#closed(code),
      refused: (refusal) => this.#refused(refusal),
    };
  }

  #online(): void {
    this.#attempt = 0;
    if (this.#connected) return;
    this.#connected = true;
    this.counts.connects++;
    this.#note({ kind: "connected", atMs: Date.now() });
    this.#tellWaiters(true);
  }

  /** A connection ended without our doing: dial again at once, with a fresh back-off. */
  #closed(code: number): void {
    this.#note({ kind: "disconnected", code, atMs: Date.now() });
    this.#detach();
    this.#feed({ kind: "disconnected", atMs: Date.now() });
    this.#attempt = 0;
    this.#dial();
  }

  #refused(refusal: Refusal): void {
    this.counts.refusals++;
    this.#connected = false;
    this.#note({ kind: "refused", ...refusal, atMs: Date.now() });
    this.#tellWaiters(false);
    if (this.#options.behaviour.halfDuplex) return; // the HTTP client tries again by itself
    const { backoff, random } = this.#options;
    const waitMs = retryMs(backoff, this.#attempt++, random(), refusal.retryAfterMs);
    this.#redial = setTimeout(() => this.#dial(), waitMs);
  }

  #tellWaiters(connected: boolean): void {
    const waiters = this.#attemptWaiters;
    this.#attemptWaiters = [];
    for (const tell of waiters) tell(connected);
  }

  #close(): void {
    const transport = this.#transport;
    this.#detach();
    if (transport === undefined) return;
    const before = this.#closing;
    this.#closing = Promise.all([before, transport.close()]).then(() => {});
  }

  #detach(): void {
    clearTimeout(this.#redial);
    this.#transport = undefined;
    this.#connected = false;
  }

  #note(event: AgentEvent): void {
    this.#count(event);
    if (this.#events.length >= this.#options.maxEvents) this.#events.shift();
    if (this.#options.maxEvents > 0) this.#events.push(event);
    this.#options.onEvent?.(event, this);
  }

  #count(event: AgentEvent): void {
    if (event.kind === "config-offered") this.counts.offers++;
    else if (event.kind === "full-state-requested") this.counts.fullStateRequests++;
    else if (event.kind === "error-received") this.counts.errors++;
  }
}
