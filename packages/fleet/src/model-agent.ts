// A model of one agent and of the gateway that holds it: offered what it should run, it reports as real supervisors do, or
// misbehaves on request. Events only, at times that the spec chooses: rollouts of three days are walked through in a second.
// For specs of this package and of the rollout worker; the simulator is the same over real sockets and real time.

import { CLOCK_SKEW_MS, type DesiredRecord } from "./candidate.ts";
import type { AgentEvent, Health } from "./event.ts";
import { type ConfigHash, type GatewayId, type InstanceUid, parseGatewayId } from "./ids.ts";
import type { ModelTraits, Reaction } from "./model-traits.ts";

/** When `unwell_later` becomes so. */
export const UNWELL_AFTER_MS = 20_000;
const APPLY_MS = 5_000;
const RESTART_MS = 20_000;
const DEFAULT_CAPABILITIES = ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsHealth"];

type Fact = AgentEvent extends infer Event
  ? Event extends AgentEvent
    ? Omit<Event, "uid" | "epoch" | "n" | "atMs">
    : never
  : never;

/** One agent. */
export class ModelAgent {
  readonly uid: InstanceUid;
  readonly capabilities: readonly string[];
  labels: Readonly<Record<string, string>>;
  react: (hash: ConfigHash) => Reaction;
  isConnected = false;
  /** Every offer that it was sent. */
  readonly offers: { readonly hash: ConfigHash; readonly atMs: number }[] = [];
  /** Every time it said that it failed. */
  readonly failures: { readonly hash: ConfigHash; readonly atMs: number }[] = [];
  /** What it runs; "" is what it came with. */
  running: ConfigHash | "" = "";
  isHealthy = true;
  #gateway: GatewayId;
  #epoch = 0;
  #process = 1;
  #n = 0;
  #acknowledged: ConfigHash | "" = "";
  #isApplying = false;
  #isKnown = false;
  /** Something changed while it was away. */
  #hasNews = false;
  #offered: {
    readonly hash: ConfigHash;
    readonly tries: number;
    readonly session: number;
    readonly process: number;
    readonly atMs: number;
  } | null = null;
  readonly #failed = new Map<ConfigHash, number>();
  #due: { readonly atMs: number; readonly act: (atMs: number) => void }[] = [];
  #out: AgentEvent[] = [];

  constructor(
    { uid, labels = {}, capabilities = DEFAULT_CAPABILITIES, gateway = "gw", isAway = false, react }: ModelTraits,
    atMs = 0,
  ) {
    this.uid = uid;
    this.labels = labels;
    this.react = react ?? (() => "good");
    this.capabilities = capabilities;
    this.#gateway = parseGatewayId(gateway);
    this.connect(atMs);
    if (isAway) this.disconnect(atMs);
  }

  /** Connects, or connects anew: at another gateway where told. */
  connect(atMs: number, gateway?: string): void {
    if (gateway !== undefined) this.#gateway = parseGatewayId(gateway);
    this.#epoch += 1;
    this.#n = 0;
    this.isConnected = true;
    this.#tell(atMs, { kind: "agent.connected", gateway: this.#gateway, transport: "websocket", remoteAddress: "" });
    if (!this.#isKnown && this.#offered !== null) this.#tellOffer(this.#offered);
    if (!this.#isKnown || this.#hasNews) this.#tellAll(atMs);
  }

  disconnect(atMs: number): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.#tell(atMs, { kind: "agent.disconnected", reason: "closed" });
  }

  /** Describes itself, with these labels from now on. */
  describe(labels: Readonly<Record<string, string>>, atMs: number): void {
    this.labels = labels;
    this.#tell(atMs, { kind: "agent.described", identifying: [], nonIdentifying: Object.entries(labels) });
  }

  /** The fleet state was lost: says everything again, at once or when it connects. */
  tellAgain(atMs: number): void {
    this.#isKnown = false;
    if (this.isConnected) return this.connect(atMs);
    // Gateways know of those that they hold, and of nobody else.
    this.#offered = null;
    for (const hash of this.#failed.keys()) if (hash !== this.#acknowledged) this.#failed.delete(hash);
  }

  /** Becomes healthy or not, of itself. */
  setHealthy(isHealthy: boolean, atMs: number): void {
    this.#tellHealth(isHealthy, atMs);
  }

  /** What a gateway does that sees this desired config: offers it unless it is there, failed or on its way. */
  sync(desired: DesiredRecord | null, atMs: number): void {
    if (desired === null || !this.isConnected || !this.#can("AcceptsRemoteConfig")) return;
    const { hash, tries = 1, assignedAtMs } = desired;
    const told = this.#can("ReportsRemoteConfig");
    if (told && (this.#failed.get(hash) ?? 0) >= assignedAtMs - CLOCK_SKEW_MS) return;
    // Who never tells a status is offered a config once per process, anybody else once per session.
    const session = told ? this.#epoch : this.#process;
    const isOther = this.#offered?.session !== session;
    // Who is at work is waited for, but for one that died over it and says so for ever.
    const isStuck = this.#isApplying && this.#offered?.process !== this.#process;
    if (told && this.#acknowledged === hash && !isStuck) return;
    if (this.#offered?.hash === hash && this.#offered.tries >= tries && !isOther) return;
    this.#offered = { hash, tries, session, process: this.#process, atMs };
    this.offers.push({ hash, atMs });
    this.#tellOffer(this.#offered);
    this.#take(hash, tries, atMs);
  }

  /** When something is due next; null: nothing is. */
  nextAtMs(): number | null {
    return this.#due.reduce<number | null>(
      (soonest, { atMs }) => (soonest === null ? atMs : Math.min(soonest, atMs)),
      null,
    );
  }

  /** Does what is due until then. */
  run(toMs: number): void {
    for (;;) {
      const atMs = this.nextAtMs();
      if (atMs === null || atMs > toMs) return;
      const due = this.#due.filter((each) => each.atMs === atMs);
      this.#due = this.#due.filter((each) => each.atMs !== atMs);
      for (const { act } of due) act(atMs);
    }
  }

  /** Events that were not taken yet. */
  take(): readonly AgentEvent[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #tellAll(atMs: number): void {
    this.#isKnown = true;
    this.#hasNews = false;
    this.describe(this.labels, atMs);
    this.#tell(atMs, { kind: "agent.capabilities-changed", capabilities: this.capabilities });
    this.#tellHealth(this.isHealthy, atMs);
    const hash = this.#acknowledged;
    if (hash === "") return;
    const state = this.#isApplying ? "applying" : this.#failed.has(hash) ? "failed" : "applied";
    this.#acknowledge(hash, state, atMs);
  }

  #take(hash: ConfigHash, tries: number, atMs: number): void {
    const reaction = this.react(hash);
    // It goes on with what it was at.
    if (reaction === "silent" || (reaction === "slow" && tries === 1)) return;
    this.#due = [];
    switch (reaction) {
      case "dies":
        return this.#later(atMs + 1, (at) => this.disconnect(at));
      case "rejects":
        return this.#fail(hash, atMs);
      case "crash_loops":
      case "goes_back":
      case "restarts":
        this.#acknowledge(hash, "applying", atMs);
        return this.#fallOver(reaction, hash, atMs);
      case "good":
      case "slow":
        return this.#apply(hash, atMs);
      case "unwell_later":
        this.#apply(hash, atMs);
        return this.#later(atMs + APPLY_MS + UNWELL_AFTER_MS, (at) => this.#tellHealth(false, at));
      case "part_unwell":
        this.#apply(hash, atMs);
        return this.#later(atMs + APPLY_MS, (at) => this.#tellHealth(true, at, false));
    }
  }

  /** Something happens while it applies. */
  #fallOver(how: "crash_loops" | "goes_back" | "restarts", hash: ConfigHash, atMs: number): void {
    const before = this.running;
    switch (how) {
      case "crash_loops":
        this.running = hash;
        return this.#later(atMs + 100, (at) => {
          this.#fail(hash, at);
          this.#tellHealth(false, at);
        });
      case "goes_back":
        return this.#later(atMs + 1_000, (at) => {
          this.#fail(hash, at);
          if (before !== "") this.#acknowledge(before, "applied", at);
        });
      case "restarts":
        if (this.#isStuckAgain(hash)) return this.#apply(hash, atMs);
        this.#later(atMs + 1_000, (at) => this.disconnect(at));
        return this.#later(atMs + RESTART_MS, (at) => {
          this.#process += 1;
          this.connect(at);
        });
    }
  }

  #isStuckAgain(hash: ConfigHash): boolean {
    return this.offers.filter((each) => each.hash === hash).length > 1;
  }

  #apply(hash: ConfigHash, atMs: number): void {
    this.#acknowledge(hash, "applying", atMs);
    this.#later(atMs + APPLY_MS, (at) => {
      this.running = hash;
      this.#tellHealth(true, at);
      if (this.#can("ReportsEffectiveConfig"))
        this.#tell(at, { kind: "agent.effective-config-reported", body: hash, sizeBytes: 1 });
      this.#acknowledge(hash, "applied", at);
    });
  }

  #tellOffer({
    hash,
    tries,
    atMs,
  }: {
    readonly hash: ConfigHash;
    readonly tries: number;
    readonly atMs: number;
  }): void {
    this.#tell(atMs, { kind: "agent.config-offered", hash, ...(tries > 1 && { tries }) });
  }

  #can(capability: string): boolean {
    return this.capabilities.includes(capability);
  }

  #fail(hash: ConfigHash, atMs: number): void {
    this.#failed.set(hash, atMs);
    if (this.isConnected && this.#can("ReportsRemoteConfig")) this.failures.push({ hash, atMs });
    this.#acknowledge(hash, "failed", atMs);
  }

  #acknowledge(hash: ConfigHash, state: "applying" | "applied" | "failed", atMs: number): void {
    this.#acknowledged = hash;
    this.#isApplying = state === "applying";
    if (!this.#can("ReportsRemoteConfig")) return;
    this.#tell(atMs, {
      kind: "agent.config-acknowledged",
      hash,
      state,
      error: state === "failed" ? "it does not start" : "",
    });
  }

  #tellHealth(isHealthy: boolean, atMs: number, isPartHealthy = true): void {
    this.isHealthy = isHealthy;
    const of = (healthy: boolean, components: Health["components"]): Health => {
      return {
        healthy,
        status: "",
        lastError: healthy ? "" : "it crashed",
        startTimeUnixNano: "0",
        statusTimeUnixNano: "0",
        components,
      };
    };
    this.#tell(atMs, { kind: "agent.health-changed", health: of(isHealthy, [["pipeline", of(isPartHealthy, [])]]) });
  }

  #later(atMs: number, act: (atMs: number) => void): void {
    this.#due.push({ atMs, act });
  }

  #tell(atMs: number, fact: Fact): void {
    if (!this.isConnected && fact.kind !== "agent.disconnected") {
      this.#hasNews = true;
      return;
    }
    this.#n += 1;
    this.#out.push({ ...fact, uid: this.uid, epoch: this.#epoch, n: this.#n, atMs });
  }
}
