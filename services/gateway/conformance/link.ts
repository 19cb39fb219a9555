// A way to a server, over either transport: bytes out, answers in. websocket.ts and http.ts make them, agent.ts puts an
// agent on one, and cases that send what no agent would send use it bare.

import type { IncomingHttpHeaders } from "node:http";
import type { ServerToAgent } from "@muster/protocol/opamp";
import { Failure, waitFor } from "./check.ts";
import { describe } from "./wire.ts";

/** The transports of OpAMP. */
export type Transport = "ws" | "http";

/** An HTTP response. */
export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As it came. */
  readonly raw: Uint8Array;
  /** Decompressed. */
  readonly body: Uint8Array;
}

/** Something that came from the server. */
export interface Received {
  /** null when it is no ServerToAgent. */
  readonly message: ServerToAgent | null;
  /** Without header, decompressed. */
  readonly body: Uint8Array;
  /** Over HTTP the response it came in. */
  readonly http: HttpReply | null;
}

/** How a WebSocket ended: with which code, and whether a Close frame said so. */
export interface Closing {
  readonly code: number;
  readonly isClean: boolean;
}

/** A way to a server. */
export interface Link {
  readonly transport: Transport;
  /** Everything that came so far, in order. */
  readonly received: readonly Received[];
  /** Set once the server has closed it. */
  readonly closing: Closing | null;
  /** Sends the bytes of one message; over HTTP resolves when its response is in `received`. */
  send(body: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** What came of one message. */
export type Answer =
  | { readonly kind: "message"; readonly message: ServerToAgent; readonly received: Received }
  | { readonly kind: "refused"; readonly http: HttpReply }
  | { readonly kind: "closed"; readonly closing: Closing }
  | { readonly kind: "nothing" };

/** Sends one message and answers what came of it first. */
export async function exchange(link: Link, body: Uint8Array, withinMs: number): Promise<Answer> {
  const from = link.received.length;
  await link.send(body);
  try {
    return await waitFor(() => answerAt(link, from), { withinMs, expected: "an answer", seen: () => "nothing" });
  } catch (error) {
    if (error instanceof Failure) return { kind: "nothing" };
    throw error;
  }
}

function answerAt(link: Link, index: number): Answer | null {
  const received = link.received[index];
  if (received?.message != null) return { kind: "message", message: received.message, received };
  if (received !== undefined && received.http !== null) return { kind: "refused", http: received.http };
  if (received !== undefined) return { kind: "nothing" };
  return link.closing === null ? null : { kind: "closed", closing: link.closing };
}

/** An answer in a line. */
export function describeAnswer(answer: Answer): string {
  switch (answer.kind) {
    case "message":
      return `${statusOf(answer.received.http)}${describe(answer.message)}`;
    case "refused":
      return `HTTP ${answer.http.status} without a ServerToAgent`;
    case "closed":
      return `the connection closed with ${answer.closing.code}`;
    case "nothing":
      return "no answer";
  }
}

function statusOf(http: HttpReply | null): string {
  return http === null ? "" : `HTTP ${http.status}, `;
}
