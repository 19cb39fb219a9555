// An agent of the suite: a uid and a sequence number on a link. It does nothing by itself; a case says what it sends.

import type { ServerToAgent } from "@muster/protocol/opamp";
import { RemoteConfigStatuses } from "@muster/protocol/opamp";
import { Failure, waitFor } from "./check.ts";
import type { Link } from "./link.ts";
import { AGENT, describe, encodeReport, type Fields, isSame, newUid, uidText } from "./wire.ts";

/** Who an agent is; everything has a default. */
export interface AgentOptions {
  readonly uid?: Uint8Array;
  /** Its first sequence number; default 0. */
  readonly seq?: bigint;
  readonly capabilities?: bigint;
}

/** A wait for a message. */
export interface MessageWait {
  readonly withinMs?: number;
  /** Whether it goes on sending heartbeats meanwhile; over HTTP nothing comes without. Default true. */
  readonly isBeating?: boolean;
}

/** What a Collector that takes configs is capable of. */
export const USUAL =
  AGENT.reportsStatus |
  AGENT.acceptsRemoteConfig |
  AGENT.reportsEffectiveConfig |
  AGENT.reportsHealth |
  AGENT.reportsRemoteConfig;

const POLL_MS = 100;
const BEAT_MS = 400;

/** One agent. */
export class Agent {
  uid: Uint8Array;
  /** The next sequence number. */
  seq: bigint;
  capabilities: bigint;
  /** Where in what the link received the agent looks next: the reply to what it sent last, or what it has not seen. */
  #cursor = 0;
  #last: Uint8Array = new Uint8Array();
  readonly link: Link;
  readonly #deadlineMs: number;

  constructor(link: Link, deadlineMs: number, options: AgentOptions = {}) {
    this.link = link;
    this.#deadlineMs = deadlineMs;
    this.uid = options.uid ?? newUid();
    this.seq = options.seq ?? 0n;
    this.capabilities = options.capabilities ?? USUAL;
    this.#cursor = link.received.length;
  }

  get uidText(): string {
    return uidText(this.uid);
  }

  /** Sends one message under the next sequence number and answers what came for this agent. @throws Failure */
  async report(fields: Fields = {}): Promise<ServerToAgent> {
    this.#last = this.encode(fields);
    this.seq += 1n;
    return await this.#exchange(this.#last);
  }

  /** Sends what it sent last once more, byte by byte. */
  async repeat(): Promise<ServerToAgent> {
    return await this.#exchange(this.#last);
  }

  /** Sends a message that the case has written. */
  async sendBytes(body: Uint8Array): Promise<ServerToAgent> {
    return await this.#exchange(body);
  }

  /** Its first message: everything that its capabilities promise. */
  async introduce(fields: Fields = {}): Promise<ServerToAgent> {
    return await this.report({ ...this.fullState(), ...fields });
  }

  /** A message under the next sequence number, not sent. */
  encode(fields: Fields): Uint8Array {
    return encodeReport({
      instanceUid: this.uid,
      sequenceNum: this.seq,
      capabilities: this.capabilities,
      ...fields,
    });
  }

  /** Everything that its capabilities promise, as a new agent says it. */
  fullState(): Fields {
    const has = (bit: bigint): boolean => (this.capabilities & bit) !== 0n;
    return {
      agentDescription: aDescription({ "conformance.agent": this.uidText }),
      ...(has(AGENT.reportsHealth) ? { health: { healthy: true, startTimeUnixNano: 1n } } : {}),
      ...(has(AGENT.reportsEffectiveConfig) ? { effectiveConfig: anEffectiveConfig("a: 1\n") } : {}),
      ...(has(AGENT.reportsRemoteConfig)
        ? { remoteConfigStatus: { status: RemoteConfigStatuses.RemoteConfigStatuses_UNSET } }
        : {}),
      ...(has(AGENT.reportsPackageStatuses) ? { packageStatuses: {} } : {}),
      ...(has(AGENT.reportsConnectionStatus) ? { connectionSettingsStatus: {} } : {}),
    };
  }

  /** Waits for a message that fits: the reply to what it sent last, or one that came later. @throws Failure */
  async until(
    fits: (message: ServerToAgent) => boolean,
    expected: string,
    { withinMs = this.#deadlineMs, isBeating = true }: MessageWait = {},
  ): Promise<ServerToAgent> {
    const from = this.#cursor;
    let beatAtMs = 0;
    return await waitFor(
      async () => {
        const found = this.#take(fits);
        if (found !== null) return found;
        const nowMs = performance.now();
        if (!isBeating || nowMs < beatAtMs) return null;
        beatAtMs = nowMs + (this.link.transport === "http" ? POLL_MS : BEAT_MS);
        await this.#beat();
        return this.#take(fits);
      },
      { withinMs, expected, seen: () => this.#seenSince(from) },
    );
  }

  /** Goes on with heartbeats for a while, in which no fitting message may come. @throws Failure */
  async never(fits: (message: ServerToAgent) => boolean, what: string, forMs = 600): Promise<void> {
    try {
      const message = await this.until(fits, what, { withinMs: forMs });
      throw new Failure(`no ${what}`, describe(message));
    } catch (error) {
      if (!(error instanceof Failure) || error.expected !== what) throw error;
    }
  }

  /** Messages for this agent that came since the link was opened. */
  messages(): readonly ServerToAgent[] {
    return this.link.received.flatMap(({ message }) => (message !== null && this.#isMine(message) ? [message] : []));
  }

  async #beat(): Promise<void> {
    const body = this.encode({});
    this.seq += 1n;
    await this.link.send(body);
  }

  async #exchange(body: Uint8Array): Promise<ServerToAgent> {
    const from = this.link.received.length;
    await this.link.send(body);
    this.#cursor = from;
    const wait = { withinMs: this.#deadlineMs, expected: "a reply for this agent" };
    const reply = await waitFor(() => this.#take(() => true) ?? this.#giveUp(from), {
      ...wait,
      seen: () => this.#seenSince(from),
    });
    this.#cursor -= 1; // what is waited for next may have come with the reply
    return reply;
  }

  /** A response that is no message for this agent will not become one. */
  #giveUp(from: number): null {
    const isOver = this.link.closing !== null || (this.link.transport === "http" && this.link.received.length > from);
    if (isOver) throw new Failure("a reply for this agent", this.#seenSince(from));
    return null;
  }

  #take(fits: (message: ServerToAgent) => boolean): ServerToAgent | null {
    for (let i = this.#cursor; i < this.link.received.length; i++) {
      const { message = null, http = null } = this.link.received[i] ?? {};
      if (message === null || !this.#isMine(message) || (http !== null && http.status !== 200)) continue;
      if (!fits(message)) continue;
      this.#cursor = i + 1;
      return message;
    }
    return null;
  }

  #isMine(message: ServerToAgent): boolean {
    return isSame(message.instanceUid, this.uid);
  }

  #seenSince(from: number): string {
    const parts = this.link.received.slice(from).map(({ message, http }) => {
      const status = http === null ? "" : `HTTP ${http.status} `;
      return `${status}${message === null ? "without a ServerToAgent" : describe(message)}`;
    });
    if (this.link.closing !== null) parts.push(`a close with ${this.link.closing.code}`);
    return parts.length === 0 ? "nothing" : [...new Set(parts)].slice(-3).join("; ");
  }
}

/** Attributes of text. */
export function attributes(pairs: Readonly<Record<string, string>>) {
  return Object.entries(pairs).map(([key, value]) => ({
    key,
    value: { value: { case: "stringValue", value } as const },
  }));
}

/** A description with these attributes besides the service's name. */
export function aDescription(nonIdentifying: Readonly<Record<string, string>>, serviceName = "conformance") {
  return {
    identifyingAttributes: attributes({ "service.name": serviceName }),
    nonIdentifyingAttributes: attributes(nonIdentifying),
  };
}

/** An effective config of one file. */
export function anEffectiveConfig(body: string, name = "") {
  return { configMap: { configMap: { [name]: { body: Buffer.from(body), contentType: "text/yaml" } } } };
}
