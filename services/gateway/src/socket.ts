// The only file that knows uWebSockets.js; it turns its callbacks into Connections (WebSocket) and Exchanges (plain
// HTTP) and owns its traps:
//   * a message's ArrayBuffer is detached when the handler returns: receivers copy what they keep
//   * methods of a closed socket throw: every wrapper keeps a closed flag
//   * an HTTP request that awaits must have onAborted, or the process ends
//   * send answers 2 when it dropped the message: the connection is then closed, a reconnect re-syncs
//   * a frame above maxPayloadLength is a bare TCP close: the hard limit stands above ours, so that ours says 1009
//   * idleTimeout outside 8 to 960 aborts the process: it is a constant here

import {
  App,
  DISABLED,
  type HttpRequest,
  type HttpResponse,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
  type WebSocket,
} from "uWebSockets.js";
import type { Carrier } from "./agents-of.ts";
import { BodiesWaiting, type BodyBudget, BodyTooLarge, createBody, createBodyBudget, createInflate } from "./body.ts";
import { compressFor } from "./compression.ts";
import type { Admission, Caller } from "./door.ts";
import type { Entry } from "./entry.ts";
import { createPosts, type Posts } from "./posts.ts";

/** One WebSocket. */
export interface Connection extends Carrier<Entry> {
  readonly remoteAddress: string;
  /** Who it showed itself to be; "" when nobody is asked to. */
  readonly identity: string;
  /** The Authorization header that it came with, or "". */
  readonly authorization: string;
  /** Sends one frame; false when the connection is closed or was closed because the peer does not read. */
  send(frame: Uint8Array): boolean;
  /** Closes with a status code (RFC 6455) once what was sent is out. */
  close(code: number, reason: string): void;
  /** Whether the peer answers a ping in time; false when it is closed meanwhile. */
  ping(): Promise<boolean>;
  readonly isClosed: boolean;
}

/** One HTTP request that waits for its answer. */
export interface Exchange {
  readonly remoteAddress: string;
  /** Who the client showed itself to be; "" when nobody is asked to. */
  readonly identity: string;
  /** The Authorization header, or "". */
  readonly authorization: string;
  /** The OpAMP-Instance-UID header, or "". */
  readonly claimedUid: string;
  /** Answers, once; does nothing when the client has gone. */
  respond(status: HttpStatus, body: Uint8Array, retryAfterS?: number): void;
}

/** The statuses this gateway answers with. */
export type HttpStatus = 200 | 400 | 401 | 403 | 404 | 405 | 413 | 415 | 426 | 429 | 500 | 503;

/** What happens on the sockets. Bytes are valid until the handler returns. */
export interface SocketHandlers {
  /** What may be POSTed, and where. */
  readonly routes: readonly PostRoute[];
  /** Asked before every upgrade and every POST (door.ts). */
  admit(caller: Caller): Admission;
  opened(connection: Connection): void;
  message(connection: Connection, frame: Uint8Array): void;
  /** A text message; OpAMP has none. */
  text(connection: Connection): void;
  /** A frame over the limit. */
  oversized(connection: Connection): void;
  /** Bodies that are being gathered fill the memory set aside for them; seconds after which to come again. */
  overloadedS(): number;
  closed(connection: Connection): void;
}

/** A path that is POSTed to. */
export interface PostRoute {
  readonly path: string;
  /** A POSTed body, decompressed. */
  post(exchange: Exchange, body: Uint8Array): void;
  /** A POSTed body that is no gzip although it says so. */
  unreadable(exchange: Exchange): void;
  /** The body of an answer that refuses before there is a message; absent: a line of text, or nothing. */
  explain?(sentence: string): Uint8Array;
}

/** Where to listen and what to accept. */
export interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Largest message, in bytes, after decompression. */
  readonly maxMessageBytes: number;
}

/** Open sockets. */
export interface Sockets {
  readonly port: number;
  /** No new connection is accepted; those that are open go on, of plain HTTP until their next answer. */
  stopListening(): void;
  /** No POST is taken any more; resolves when answers to those under way are on their way, or after a second. */
  endPosts(): Promise<void>;
  /** Closes everything that is still open. */
  close(): void;
}

/** A peer that said nothing, not even a pong, for this long is gone; pings are sent in time. */
const IDLE_TIMEOUT_S = 120;
/** How far the hard limit stands above ours. */
const HARD_LIMIT_SLACK = 1024 * 1024;
/** What a peer may leave unread before it is closed: several of the largest offers there are. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
/** What an agent may take to answer a ping: far longer than any network, far shorter than anybody waits for a reply. */
const PONG_TIMEOUT_MS = 2_000;
/** What the last answers of a gateway that leaves may take. */
const LAST_ANSWER_MS = 1_000;
/** Bodies that are inflated at once, and those that may wait for it. */
const INFLATIONS = 2;
const MAX_WAITING_INFLATIONS = 1_000;
/** Bodies that are being gathered, all connections together. */
const MAX_GATHERED_BYTES = 256 * 1024 * 1024;
const PROTOBUF_TYPE = "application/x-protobuf";
const STATUS_LINES: Record<HttpStatus, string> = {
  200: "200 OK",
  400: "400 Bad Request",
  401: "401 Unauthorized",
  403: "403 Forbidden",
  404: "404 Not Found",
  405: "405 Method Not Allowed",
  413: "413 Content Too Large",
  415: "415 Unsupported Media Type",
  426: "426 Upgrade Required",
  429: "429 Too Many Requests",
  500: "500 Internal Server Error",
  503: "503 Service Unavailable",
};

/** Kept on the WebSocket itself, property by property: every one costs each socket. */
interface SocketData {
  readonly connection: OpenConnection;
}

/** Listens. @throws Error when the port is taken */
export async function openSockets(options: SocketOptions, handlers: SocketHandlers): Promise<Sockets> {
  const { maxMessageBytes, path } = options;
  const posts = createPosts();
  const app = App();
  app.ws<SocketData>(path, {
    maxPayloadLength: maxMessageBytes + HARD_LIMIT_SLACK,
    maxBackpressure: Math.min(2 * maxMessageBytes + HARD_LIMIT_SLACK, MAX_UNREAD_BYTES),
    closeOnBackpressureLimit: true,
    idleTimeout: IDLE_TIMEOUT_S,
    sendPingsAutomatically: true,
    maxLifetime: 0,
    compression: DISABLED,
    upgrade: (res, req, context) => {
      // Agents send no Origin; a page in somebody's browser does (R153).
      if (req.getHeader("origin") !== "") return answer(res, 403, "Browsers are not agents.");
      // On a connection that was accepted before the gateway stopped listening.
      if (posts.isLeaving) return answer(res, 503, LEAVING, { closes: true });
      const authorization = req.getHeader("authorization");
      const admission = handlers.admit({ authorization, isUpgrade: true });
      if (admission.kind !== "admitted") return turnAway(res, admission);
      const connection = new OpenConnection(addressOf(res), admission.identity, authorization);
      const key = req.getHeader("sec-websocket-key");
      const protocol = req.getHeader("sec-websocket-protocol");
      return res.upgrade<SocketData>({ connection }, key, protocol, req.getHeader("sec-websocket-extensions"), context);
    },
    open: (ws) => {
      const { connection } = ws.getUserData();
      connection.open(ws);
      handlers.opened(connection);
    },
    message: (ws, message, isBinary) => {
      const { connection } = ws.getUserData();
      if (!isBinary) handlers.text(connection);
      else if (message.byteLength > maxMessageBytes) handlers.oversized(connection);
      else handlers.message(connection, new Uint8Array(message));
    },
    pong: (ws) => ws.getUserData().connection.markPong(),
    close: (ws) => {
      const { connection } = ws.getUserData();
      connection.markClosed();
      handlers.closed(connection);
    },
  });
  const budget = createBodyBudget(Math.max(MAX_GATHERED_BYTES, 2 * maxMessageBytes));
  for (const route of handlers.routes) {
    const receiving: Receiving = { maxBytes: maxMessageBytes, budget, posts, handlers, route };
    app.post(route.path, (res, req) => receivePost(res, req, receiving));
    if (route.path !== path) app.any(route.path, (res) => answer(res, 405, "Use POST.", { allow: "POST" }));
  }
  app.any(path, (res, req) => {
    const isGet = req.getMethod() === "get";
    if (isGet) answer(res, 426, "Connect with a WebSocket, or POST application/x-protobuf.");
    else answer(res, 405, "Use POST, or connect with a WebSocket.");
  });
  app.any("/*", (res) => answer(res, 404, `OpAMP is served at ${path}.`));
  const listening = await listen(app, options);
  let open: us_listen_socket | null = listening;
  const stopListening = (): void => {
    posts.leave();
    if (open !== null) us_listen_socket_close(open);
    open = null;
  };
  return {
    port: us_socket_local_port(listening),
    stopListening,
    endPosts: () => posts.end(LAST_ANSWER_MS),
    close() {
      stopListening();
      app.close();
    },
  };
}

function listen(app: ReturnType<typeof App>, { host, port }: SocketOptions): Promise<us_listen_socket> {
  return new Promise((resolve, reject) => {
    app.listen(host, port, (socket) => {
      if (socket !== false) resolve(socket);
      else reject(new Error(`${host}:${port} cannot be listened on; stop what uses it or set MUSTER_GATEWAY_PORT`));
    });
  });
}

function turnAway(
  res: HttpResponse,
  admission: Exclude<Admission, { kind: "admitted" }>,
  explain?: PostRoute["explain"],
): void {
  switch (admission.kind) {
    case "unauthorized":
      return answer(res, 401, "Send a bearer token that this server knows.", { explain });
    case "busy": {
      const { status, retryAfterS } = admission;
      return answer(res, status, "Not now; come again later.", { retryAfterS, explain });
    }
  }
}

/** A class, since closures of its own for every one of ten thousand connections are half a kilobyte each. */
class OpenConnection implements Connection {
  readonly remoteAddress: string;
  readonly identity: string;
  readonly authorization: string;
  carried: Entry | Set<Entry> | null = null;
  /** null before it is open and once it is closed. */
  #ws: WebSocket<SocketData> | null = null;
  /** Those who wait for a pong; null while nobody does. */
  #pinging: Set<(isAlive: boolean) => void> | null = null;

  constructor(remoteAddress: string, identity: string, authorization: string) {
    this.remoteAddress = remoteAddress;
    this.identity = identity;
    this.authorization = authorization;
  }

  get isClosed(): boolean {
    return this.#ws === null;
  }

  open(ws: WebSocket<SocketData>): void {
    this.#ws = ws;
  }

  markClosed(): void {
    this.#ws = null;
    this.#settle(false);
  }

  markPong(): void {
    this.#settle(true);
  }

  send(frame: Uint8Array): boolean {
    // Past the backpressure limit uWS drops the frame and closes; the agent comes back and is told afresh.
    return this.#ws !== null && this.#ws.send(frame, true) !== 2;
  }

  close(code: number, reason: string): void {
    this.#ws?.end(code, reason);
  }

  async ping(): Promise<boolean> {
    if (this.#ws === null) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#pinging ??= new Set();
    this.#pinging.add(resolve);
    const timer = setTimeout(() => resolve(false), PONG_TIMEOUT_MS);
    this.#ws.ping();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#pinging?.delete(resolve);
    }
  }

  #settle(isAlive: boolean): void {
    const { size = 0 } = this.#pinging ?? {};
    if (size === 0) return;
    for (const resolve of this.#pinging ?? []) resolve(isAlive);
    this.#pinging = null;
  }
}

function addressOf(res: HttpResponse): string {
  return Buffer.from(res.getRemoteAddressAsText())
    .toString("latin1")
    .replace(/^0000:0000:0000:0000:0000:ffff:/, "");
}

/** What an answer that is no message may say beside its sentence. */
interface Details {
  readonly retryAfterS?: number;
  readonly allow?: string;
  readonly explain?: PostRoute["explain"];
  /** Whether the connection ends with it. */
  readonly closes?: boolean;
}

/** Told to whoever comes too late; without Retry-After, since another gateway takes it at once. */
const LEAVING = "This gateway leaves; send it again, another one takes it.";

function answer(res: HttpResponse, status: HttpStatus, sentence: string, details: Details = {}): void {
  const { retryAfterS, allow = "GET, POST", explain, closes = false } = details;
  res.cork(() => {
    const type = explain === undefined ? "text/plain; charset=utf-8" : PROTOBUF_TYPE;
    res.writeStatus(STATUS_LINES[status]).writeHeader("content-type", type);
    if (status === 401) res.writeHeader("www-authenticate", 'Bearer realm="opamp"');
    if (status === 405) res.writeHeader("allow", allow);
    if (status === 426) res.writeHeader("upgrade", "websocket");
    if (retryAfterS !== undefined) res.writeHeader("retry-after", String(retryAfterS));
    res.end(explain === undefined ? `${sentence}\n` : explain(sentence), closes);
  });
}

/** What one route's POSTs are received with. */
interface Receiving {
  readonly maxBytes: number;
  readonly budget: BodyBudget;
  readonly posts: Posts;
  readonly handlers: SocketHandlers;
  readonly route: PostRoute;
}

function receivePost(res: HttpResponse, req: HttpRequest, receiving: Receiving): void {
  const { maxBytes, budget, posts, handlers, route } = receiving;
  const { explain } = route;
  const mediaType = req.getHeader("content-type").split(";")[0]?.trim().toLowerCase();
  const encoding = req.getHeader("content-encoding").trim().toLowerCase();
  const admission = handlers.admit({ authorization: req.getHeader("authorization"), isUpgrade: false });
  if (admission.kind !== "admitted") return turnAway(res, admission, explain);
  // In text for everybody: who sends something else need not read Protobuf.
  if (mediaType !== PROTOBUF_TYPE) return answer(res, 415, `Send ${PROTOBUF_TYPE}.`);
  if (!["", "identity", "gzip"].includes(encoding)) return answer(res, 415, "Send gzip or no encoding.", { explain });
  const body = createBody(maxBytes, budget);
  let done: (() => void) | null = null;
  const exchange = openExchange(res, req, admission.identity, posts, () => {
    body.release();
    done?.();
  });
  let isRefused = false;
  res.onData((chunk, isLast) => {
    if (isRefused) return;
    const state = body.add(new Uint8Array(chunk)); // copied: the chunk is gone when this returns
    if (state !== "ok") {
      isRefused = true;
      if (state === "too-large") tooLarge(exchange, maxBytes, route);
      else overloaded(exchange, handlers, route);
      return;
    }
    if (!isLast) return;
    done = posts.begin();
    if (done === null) return exchange.respond(503, explain?.(LEAVING) ?? NO_BODY);
    if (encoding === "gzip") void inflateInto(body.bytes(), exchange, receiving);
    else route.post(exchange, body.bytes());
  });
}

const NO_BODY = new Uint8Array();

function tooLarge(exchange: Exchange, maxBytes: number, { explain }: PostRoute): void {
  const sentence = `A body may have ${maxBytes} bytes, also once inflated; send smaller ones.`;
  exchange.respond(413, explain?.(sentence) ?? NO_BODY);
}

function overloaded(exchange: Exchange, { overloadedS }: SocketHandlers, { explain }: PostRoute): void {
  exchange.respond(503, explain?.("Too much is being received; come again later.") ?? NO_BODY, overloadedS());
}

const inflate = createInflate(INFLATIONS, MAX_WAITING_INFLATIONS);

/** Inflating stops at the limit, so a small bomb costs no more than a large honest body. Never rejects. */
async function inflateInto(
  body: Uint8Array,
  exchange: Exchange,
  { maxBytes, handlers, route }: Receiving,
): Promise<void> {
  let inflated: Uint8Array;
  try {
    inflated = await inflate(body, maxBytes);
  } catch (error) {
    if (error instanceof BodyTooLarge) tooLarge(exchange, maxBytes, route);
    else if (error instanceof BodiesWaiting) overloaded(exchange, handlers, route);
    else route.unreadable(exchange);
    return;
  }
  route.post(exchange, inflated);
}

/** `over` is called when it is answered or gone. */
function openExchange(res: HttpResponse, req: HttpRequest, identity: string, posts: Posts, over: () => void): Exchange {
  const compress = compressFor(req.getHeader("accept-encoding"));
  const claimedUid = req.getHeader("opamp-instance-uid");
  const authorization = req.getHeader("authorization");
  let isAnswered = false;
  let isGone = false;
  res.onAborted(() => {
    isGone = true;
    over();
  });
  const write = (status: HttpStatus, body: Uint8Array, encoding: string | null, retryAfterS?: number): void => {
    if (isGone) return;
    res.cork(() => {
      res.writeStatus(STATUS_LINES[status]).writeHeader("content-type", PROTOBUF_TYPE);
      if (encoding !== null) res.writeHeader("content-encoding", encoding).writeHeader("vary", "accept-encoding");
      if (retryAfterS !== undefined) res.writeHeader("retry-after", String(retryAfterS));
      res.end(body, posts.isLeaving);
    });
    over();
  };
  return {
    remoteAddress: addressOf(res),
    identity,
    authorization,
    claimedUid,
    respond(status, body, retryAfterS) {
      if (isAnswered) return;
      isAnswered = true;
      const compressing = compress(body);
      if (compressing === null) return write(status, body, null, retryAfterS);
      // The body may be a view that the caller uses again; compressing has begun on a copy.
      compressing.then(
        (compressed) => write(status, compressed, "gzip", retryAfterS),
        () => write(500, new Uint8Array(), null),
      );
    },
  };
}
