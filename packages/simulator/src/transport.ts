// The port between an agent and a socket: what agent.ts needs, what the two transports offer.
//
// A transport is one attempt: for WebSocket one connection, for HTTP one client. Once `close` or `destroy` was
// called it is silent.

import type { AgentToServer, ServerToAgent } from "@muster/protocol/opamp";

/** Where and how to connect. */
export interface Dial {
  /** ws, wss, http or https URL. */
  readonly endpoint: string;
  /** Headers of the upgrade or of every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Source address; undefined leaves it to the system. */
  readonly localAddress: string | undefined;
}

/** Why a connection did not come about. Both undefined: nobody answered. */
export interface Refusal {
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
}

/** What a transport tells its agent. */
export interface TransportListener {
  /** The first message may be sent. */
  connected(): void;
  received(message: ServerToAgent): void;
  /** HTTP: the request on the way is over; `delivered` is false when the server did not take it. */
  answered(delivered: boolean): void;
  /** WebSocket: the connection is gone. The transport is over. */
  closed(code: number): void;
  /** WebSocket: there is no connection and the transport is over. HTTP: it tries again by itself. */
  refused(refusal: Refusal): void;
}

/** A way to a server. */
export interface Transport {
  send(message: AgentToServer): void;
  /** Ends in an orderly way after what was sent; resolves when it is over, at most some seconds later. */
  close(): Promise<void>;
  /** Cuts the connection. */
  destroy(): void;
}
