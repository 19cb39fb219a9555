// What a case is, and what it is given. Cases know neither each other nor the runner: each brings its own agents and
// leaves nothing open.

import { Agent, type AgentOptions } from "./agent.ts";
import { Failure, NotApplicable } from "./check.ts";
import type { Driver } from "./driver.ts";
import { createHttpClient, type HttpClient, openPolls } from "./http.ts";
import type { Link, Transport } from "./link.ts";
import type { RequirementId } from "./requirements.ts";
import { connectSocket, type Socket, type SocketOptions, type Upgrade } from "./websocket.ts";
import { asksFullState } from "./wire.ts";

/** One thing to find out about a server. */
export interface Case {
  /** The requirements that fail when it fails. */
  readonly ids: readonly RequirementId[];
  /** What a conforming server does. */
  readonly says: string;
  /** Run once over each. */
  readonly over: readonly Transport[];
  run(context: Context): Promise<void>;
}

/** Both transports, for `over`. */
export const BOTH: readonly Transport[] = ["ws", "http"];

/** Where the server is and what is known of it. */
export interface Target {
  readonly ws: URL;
  readonly http: URL;
  /** Of every request, such as Authorization. */
  readonly headers: Readonly<Record<string, string>>;
  /** Those of somebody else who is let in, too; null when there is nobody. */
  readonly otherHeaders: Readonly<Record<string, string>> | null;
  /** The limit it was configured with, in bytes; null when nobody said. */
  readonly maxMessageBytes: number | null;
  /** Whether a full report with a gap is to be answered with ReportFullState, too. */
  readonly isStrict: boolean;
  /** Another gateway of the same fleet. */
  readonly second: { readonly ws: URL; readonly http: URL } | null;
  /** How long to wait for anything, in ms. */
  readonly deadlineMs: number;
  readonly driver: Driver | null;
}

/** What a server is taken to be configured with when nobody said. */
export const DEFAULT_MAX_MESSAGE_BYTES = 67_108_864;

/** What a case is given: ways to the server, all of them closed when the case ends. */
export class Context {
  readonly transport: Transport;
  readonly target: Target;
  readonly #closers: (() => Promise<void>)[] = [];

  constructor(transport: Transport, target: Target) {
    this.transport = transport;
    this.target = target;
  }

  get maxMessageBytes(): number {
    return this.target.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
  }

  /** A link over the case's transport. @throws Failure when the server does not let us in */
  async link(): Promise<Link> {
    return this.transport === "ws" ? await this.socket() : this.polls();
  }

  /** An agent on a link of its own, or on the given one; it has said nothing yet. */
  async agent(options: AgentOptions & { readonly link?: Link } = {}): Promise<Agent> {
    return new Agent(options.link ?? (await this.link()), this.target.deadlineMs, options);
  }

  /** An agent that has told its full state, once more if it was asked to. */
  async introduced(options: AgentOptions & { readonly link?: Link } = {}): Promise<Agent> {
    const agent = await this.agent(options);
    if (asksFullState(await agent.introduce())) await agent.introduce();
    return agent;
  }

  /** The same agent on another link: a reconnect. Its process lives on. */
  async reconnected(agent: Agent, link?: Link): Promise<Agent> {
    const { uid, seq, capabilities } = agent;
    return await this.agent({ uid, seq, capabilities, ...(link === undefined ? {} : { link }) });
  }

  /** A new process of the same agent on another link; the old one's link is closed. It has said nothing yet. */
  async restarted({ link, uid, capabilities }: Agent): Promise<Agent> {
    await link.close();
    return await this.agent({ uid, capabilities });
  }

  /** A WebSocket. @throws Failure when it is refused */
  async socket(options: SocketOptions = {}): Promise<Socket> {
    const upgrade = await this.upgrade(options);
    if (upgrade.kind === "open") return upgrade.socket;
    throw new Failure("a WebSocket", describeUpgrade(upgrade));
  }

  /** Asks for a WebSocket and answers what came of it. */
  async upgrade(options: SocketOptions = {}, url = this.target.ws): Promise<Upgrade> {
    const upgrade = await connectSocket(url, { ...options, headers: options.headers ?? this.target.headers });
    if (upgrade.kind === "open") this.#closers.push(() => upgrade.socket.close());
    return upgrade;
  }

  /** A link that polls. */
  polls(headers: Readonly<Record<string, string>> = {}, url = this.target.http): Link {
    return openPolls(this.http({ url }), headers);
  }

  /** A link to the second gateway. @throws NotApplicable */
  async secondLink(): Promise<Link> {
    const { second } = this.target;
    if (second === null) throw new NotApplicable("needs-setup", "Name another gateway of the fleet: --second-target.");
    if (this.transport === "http") return this.polls({}, second.http);
    const upgrade = await this.upgrade({}, second.ws);
    if (upgrade.kind === "open") return upgrade.socket;
    throw new Failure("a WebSocket to the second gateway", describeUpgrade(upgrade));
  }

  /** A link of somebody else. @throws NotApplicable */
  async otherIdentity(): Promise<Link> {
    const { otherHeaders } = this.target;
    if (otherHeaders === null)
      throw new NotApplicable("needs-setup", "Nobody else's credentials were given: --other-header.");
    if (this.transport === "ws") return await this.socket({ headers: otherHeaders });
    return openPolls(this.http({ isAnonymous: true }), otherHeaders);
  }

  /** HTTP connections. */
  http(
    options: { readonly url?: URL; readonly keepsAlive?: boolean; readonly isAnonymous?: boolean } = {},
  ): HttpClient {
    const headers = options.isAnonymous === true ? {} : this.target.headers;
    const client = createHttpClient(options.url ?? this.target.http, headers, options);
    this.#closers.push(() => Promise.resolve(client.close()));
    return client;
  }

  /** Somebody who can tell the server what to do. @throws NotApplicable */
  driver(): Driver {
    if (this.target.driver !== null) return this.target.driver;
    throw new NotApplicable("needs-driver", "Somebody has to tell the server what to do: --driver.");
  }

  /** Closes everything; twice is harmless. */
  async close(): Promise<void> {
    await Promise.all(this.#closers.splice(0).map((close) => close()));
  }
}

/** An upgrade that did not happen, in a few words. */
export function describeUpgrade(upgrade: Upgrade): string {
  switch (upgrade.kind) {
    case "open":
      return "an open WebSocket";
    case "refused":
      return `HTTP ${upgrade.status}`;
    case "failed":
      return upgrade.reason;
  }
}
