// The plain-HTTP client of an agent: one request at a time. The only file that names undici.
//
// As opamp-go: 200 is processed, 429 and 503 and network errors send the same bytes again after a while, any
// other status loses the message. No OpAMP state lives here; polls are the state machine's heartbeats.

import { gunzipSync } from "node:zlib";
import { decodeServerBody, encodeAgentBody, formatUid, ProtocolError } from "@muster/protocol";
import type { AgentToServer } from "@muster/protocol/opamp";
import { Agent, request } from "undici";
import type { Backoff } from "./backoff.ts";
import { parseRetryAfter, retryMs } from "./backoff.ts";
import type { Dial, Refusal, Transport, TransportListener } from "./transport.ts";

/** What the HTTP client needs from its surroundings. */
export interface HttpDeps {
  readonly pool: HttpPool;
  readonly backoff: Backoff;
  readonly random: () => number;
  readonly nowMs: () => number;
}

/** Connections shared by all agents of a process, kept per source address. Whoever creates it closes it. */
export interface HttpPool {
  dispatcher(localAddress: string | undefined): Agent;
  close(): Promise<void>;
}

/** How long `close` waits for a request on the way. */
const CLOSE_TIMEOUT_MS = 1000;
const MAX_RESPONSE_BYTES = 67_108_864;

/** Creates a pool without connections. */
export function createHttpPool(): HttpPool {
  const agents = new Map<string, Agent>();
  return {
    dispatcher(localAddress) {
      const key = localAddress ?? "";
      const known = agents.get(key);
      if (known !== undefined) return known;
      const connect = localAddress === undefined ? {} : { localAddress };
      const agent = new Agent({ connect, keepAliveTimeout: 90_000, maxResponseSize: MAX_RESPONSE_BYTES });
      agents.set(key, agent);
      return agent;
    },
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
      agents.clear();
    },
  };
}

/** Creates a client; it is connected at once, since plain HTTP knows no connection. */
export function openHttp(dial: Dial, listener: TransportListener, deps: HttpDeps): Transport {
  const ending = new AbortController();
  let last: Promise<void> = Promise.resolve();
  let silent = false;
  const whileHeard = (tell: (to: TransportListener) => void): void => {
    if (!silent) tell(listener);
  };
  queueMicrotask(() => whileHeard((to) => to.connected()));
  return {
    send(message) {
      last = last.then(() => deliver(message, dial, whileHeard, deps, ending.signal));
    },
    async close() {
      silent = true;
      const timer = setTimeout(() => ending.abort(), CLOSE_TIMEOUT_MS);
      await last;
      clearTimeout(timer);
    },
    destroy() {
      silent = true;
      ending.abort();
    },
  };
}

/** Tells the listener, unless the transport has ended. */
type Tell = (tell: (to: TransportListener) => void) => void;

/** Sends one message until it is taken or lost; never rejects. */
async function deliver(
  message: AgentToServer,
  dial: Dial,
  tell: Tell,
  deps: HttpDeps,
  signal: AbortSignal,
): Promise<void> {
  const uid = formatUid(message.instanceUid);
  const body = encodeAgentBody(message);
  for (let attempt = 0; !signal.aborted; attempt++) {
    const outcome = await post(body, uid instanceof ProtocolError ? "" : uid, dial, deps, signal);
    if (outcome.kind === "taken") {
      receive(outcome.body, tell);
      return tell((to) => to.answered(outcome.body !== undefined));
    }
    if (signal.aborted) return;
    tell((to) => to.refused(outcome.refusal));
    await delay(retryMs(deps.backoff, attempt, deps.random(), outcome.refusal.retryAfterMs), signal);
  }
}

type Outcome =
  /** The server answered for good; without body the message is lost. */
  | { readonly kind: "taken"; readonly body: Uint8Array | undefined }
  | { readonly kind: "again"; readonly refusal: Refusal };

async function post(body: Uint8Array, uid: string, dial: Dial, deps: HttpDeps, signal: AbortSignal): Promise<Outcome> {
  try {
    const response = await request(dial.endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/x-protobuf",
        "accept-encoding": "gzip",
        "user-agent": "Go-http-client/1.1",
        "opamp-instance-uid": uid,
        ...dial.headers,
      },
      body,
      signal,
      dispatcher: deps.pool.dispatcher(dial.localAddress),
    });
    const bytes = new Uint8Array(await response.body.arrayBuffer());
    const status = response.statusCode;
    if (status === 429 || status === 503) {
      const retryAfterMs = parseRetryAfter(String(response.headers["retry-after"] ?? ""), deps.nowMs());
      return { kind: "again", refusal: { status, retryAfterMs } };
    }
    if (status !== 200) return { kind: "taken", body: undefined };
    return { kind: "taken", body: response.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes };
  } catch {
    return { kind: "again", refusal: { status: undefined, retryAfterMs: undefined } };
  }
}

function receive(body: Uint8Array | undefined, tell: Tell): void {
  const message = body === undefined ? undefined : decodeServerBody(body);
  if (message !== undefined && !(message instanceof ProtocolError)) tell((to) => to.received(message));
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
