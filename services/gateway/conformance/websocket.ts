// A WebSocket to the server: frames, pings and close codes under control.

import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Closing, Link, Received } from "./link.ts";
import { decodeAnswer, headerBytes } from "./wire.ts";

/** How to connect. */
export interface SocketOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether pings are answered; default true. */
  readonly answersPings?: boolean;
  readonly origin?: string;
  /** Whether to ask for compression; default false. */
  readonly compresses?: boolean;
}

/** A WebSocket. */
export interface Socket extends Link {
  /** Sends bytes as they are, text for a text frame. */
  sendRaw(frame: Uint8Array | string): void;
  /** Sends one message in several frames. */
  sendFragments(fragments: readonly Uint8Array[]): void;
  /** Pings that came. */
  readonly pingCount: number;
  /** Whether the server took up compression. */
  readonly isCompressed: boolean;
  /** Begins the closing handshake. */
  startClosing(code: number): void;
  /** Cuts the connection without a word. */
  cut(): void;
}

/** What came of an upgrade. */
export type Upgrade =
  | { readonly kind: "open"; readonly socket: Socket }
  | { readonly kind: "refused"; readonly status: number; readonly headers: NodeJS.Dict<string | string[]> }
  | { readonly kind: "failed"; readonly reason: string };

const HANDSHAKE_MS = 10_000;
const CLOSE_MS = 500;
const NO_CLOSE_FRAME = new Set([1005, 1006]);

/** Asks for an upgrade. */
export function connectSocket(url: URL, options: SocketOptions): Promise<Upgrade> {
  const socket = new WebSocket(url, {
    headers: { ...options.headers },
    handshakeTimeout: HANDSHAKE_MS,
    autoPong: options.answersPings ?? true,
    perMessageDeflate: options.compresses === true ? { threshold: 0 } : false,
    ...(options.origin === undefined ? {} : { origin: options.origin }),
  });
  const link = new OpenSocket(socket);
  return new Promise((resolve) => {
    socket.once("open", () => resolve({ kind: "open", socket: link }));
    socket.once("unexpected-response", (request, { statusCode = 0, headers }) => {
      request.destroy();
      resolve({ kind: "refused", status: statusCode, headers });
    });
    socket.on("error", (error) => resolve({ kind: "failed", reason: error.message }));
  });
}

class OpenSocket implements Socket {
  readonly transport = "ws";
  readonly received: Received[] = [];
  closing: Closing | null = null;
  pingCount = 0;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.received.push(read(data)));
    socket.on("ping", () => {
      this.pingCount += 1;
    });
    socket.on("close", (code) => {
      this.closing = { code, isClean: !NO_CLOSE_FRAME.has(code) };
    });
  }

  get isCompressed(): boolean {
    return this.#socket.extensions.includes("permessage-deflate");
  }

  send(body: Uint8Array): Promise<void> {
    this.sendRaw(Buffer.concat([Uint8Array.of(0), body]));
    return Promise.resolve();
  }

  sendRaw(frame: Uint8Array | string): void {
    // A server that has closed is found out by waiting for its answer.
    this.#socket.send(frame, { binary: typeof frame !== "string" }, () => {});
  }

  sendFragments(fragments: readonly Uint8Array[]): void {
    for (const [i, fragment] of fragments.entries()) {
      this.#socket.send(fragment, { binary: true, fin: i === fragments.length - 1 }, () => {});
    }
  }

  startClosing(code: number): void {
    this.#socket.close(code);
  }

  cut(): void {
    this.#socket.terminate();
  }

  async close(): Promise<void> {
    this.#socket.close(1000);
    const endMs = performance.now() + CLOSE_MS;
    while (this.closing === null && performance.now() < endMs) await sleep(5);
    this.#socket.terminate();
  }
}

function read(frame: Buffer): Received {
  const start = headerBytes(frame);
  const body = frame.subarray(start ?? frame.length);
  return { message: start === null ? null : decodeAnswer(body), body, http: null };
}
