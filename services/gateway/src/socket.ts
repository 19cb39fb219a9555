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
import { promisify } from "node:util";
import { gunzip } from "node:zlib";

/** One WebSocket. */
export interface Connection {
  readonly remoteAddress: string;
  /** Sends one frame; false when the connection is closed or was closed because the peer does not read. */
  send(frame: Uint8Array): boolean;
  /** Closes with a status code (RFC 6455) once what was sent is out. */
  close(code: number, reason: string): void;
  readonly isClosed: boolean;
}

/** One HTTP request that waits for its answer. */
export interface Exchange {
  readonly remoteAddress: string;
  /** The OpAMP-Instance-UID header, or "". */
  readonly claimedUid: string;
  /** Answers, once; does nothing when the client has gone. */
  respond(status: HttpStatus, body: Uint8Array, retryAfterS?: number): void;
}

/** The statuses this gateway answers with. */
export type HttpStatus = 200 | 400 | 404 | 405 | 413 | 415 | 426 | 500 | 503;

/** What happens on the sockets. Bytes are valid until the handler returns. */
export interface SocketHandlers {
  /** Asked before every upgrade; seconds after which to come again when it is not wanted now. */
  refusalS(): number | null;
  opened(connection: Connection): void;
  message(connection: Connection, frame: Uint8Array): void;
  /** A text message; OpAMP has none. */
  text(connection: Connection): void;
  /** A frame over the limit. */
  oversized(connection: Connection): void;
  closed(connection: Connection): void;
  /** A POSTed body, decompressed. */
  post(exchange: Exchange, body: Uint8Array): void;
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
  /** No new connection is accepted; those that are open go on. */
  stopListening(): void;
  /** Closes everything that is still open. */
  close(): void;
}

/** A peer that said nothing, not even a pong, for this long is gone; pings are sent in time. */
const IDLE_TIMEOUT_S = 120;
/** How far the hard limit stands above ours. */
const HARD_LIMIT_SLACK = 1024 * 1024;
/** What a peer may leave unread before it is closed: several of the largest offers there are. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
const OPAMP_TYPE = "application/x-protobuf";
const STATUS_LINES: Record<HttpStatus, string> = {
  200: "200 OK",
  400: "400 Bad Request",
  404: "404 Not Found",
  405: "405 Method Not Allowed",
  413: "413 Content Too Large",
  415: "415 Unsupported Media Type",
  426: "426 Upgrade Required",
  500: "500 Internal Server Error",
  503: "503 Service Unavailable",
};

interface SocketData {
  readonly remoteAddress: string;
  connection: OpenConnection | null;
}

type OpenConnection = Connection & { markClosed(): void };

const inflate = promisify(gunzip);

/** Listens. @throws Error when the port is taken */
export async function openSockets(options: SocketOptions, handlers: SocketHandlers): Promise<Sockets> {
  const { maxMessageBytes, path } = options;
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
      const refusal = upgradeRefusal(req, handlers);
      if (refusal !== null) return answer(res, refusal.status, refusal.message, refusal.retryAfterS);
      const data: SocketData = { remoteAddress: addressOf(res), connection: null };
      const key = req.getHeader("sec-websocket-key");
      const protocol = req.getHeader("sec-websocket-protocol");
      return res.upgrade(data, key, protocol, req.getHeader("sec-websocket-extensions"), context);
    },
    open: (ws) => {
      const data = ws.getUserData();
      data.connection = openConnection(ws, data.remoteAddress);
      handlers.opened(data.connection);
    },
    message: (ws, message, isBinary) => {
      const { connection } = ws.getUserData();
      if (connection === null) return;
      if (!isBinary) handlers.text(connection);
      else if (message.byteLength > maxMessageBytes) handlers.oversized(connection);
      else handlers.message(connection, new Uint8Array(message));
    },
    close: (ws) => {
      const { connection } = ws.getUserData();
      connection?.markClosed();
      if (connection !== null) handlers.closed(connection);
    },
  });
  app.post(path, (res, req) => receivePost(res, req, maxMessageBytes, handlers));
  app.any(path, (res, req) => {
    const isGet = req.getMethod() === "get";
    if (isGet) answer(res, 426, "Connect with a WebSocket, or POST application/x-protobuf.");
    else answer(res, 405, "Use POST, or connect with a WebSocket.");
  });
  app.any("/*", (res) => answer(res, 404, `OpAMP is served at ${path}.`));
  const listening = await listen(app, options);
  let open: us_listen_socket | null = listening;
  const stopListening = (): void => {
    if (open !== null) us_listen_socket_close(open);
    open = null;
  };
  return {
    port: us_socket_local_port(listening),
    stopListening,
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

interface Refusal {
  readonly status: HttpStatus;
  readonly message: string;
  readonly retryAfterS?: number;
}

/** Decided before the upgrade: a socket that is accepted and closed comes back at once (R62). */
function upgradeRefusal(req: HttpRequest, handlers: SocketHandlers): Refusal | null {
  // Agents send no Origin; a page in somebody's browser does (R153).
  if (req.getHeader("origin") !== "") return { status: 400, message: "Browsers are not agents." };
  const retryAfterS = handlers.refusalS();
  return retryAfterS === null ? null : { status: 503, message: "Not now; come again later.", retryAfterS };
}

function openConnection(ws: WebSocket<SocketData>, remoteAddress: string): OpenConnection {
  let isClosed = false;
  return {
    remoteAddress,
    get isClosed() {
      return isClosed;
    },
    markClosed() {
      isClosed = true;
    },
    send(frame) {
      // Past the backpressure limit uWS drops the frame and closes; the agent comes back and is told afresh.
      return !isClosed && ws.send(frame, true) !== 2;
    },
    close(code, reason) {
      if (!isClosed) ws.end(code, reason);
    },
  };
}

function addressOf(res: HttpResponse): string {
  return Buffer.from(res.getRemoteAddressAsText())
    .toString("latin1")
    .replace(/^0000:0000:0000:0000:0000:ffff:/, "");
}

function answer(res: HttpResponse, status: HttpStatus, message: string, retryAfterS?: number): void {
  res.cork(() => {
    res.writeStatus(STATUS_LINES[status]).writeHeader("content-type", "text/plain; charset=utf-8");
    if (status === 405) res.writeHeader("allow", "GET, POST");
    if (status === 426) res.writeHeader("upgrade", "websocket");
    if (retryAfterS !== undefined) res.writeHeader("retry-after", String(retryAfterS));
    res.end(`${message}\n`);
  });
}

function receivePost(res: HttpResponse, req: HttpRequest, maxBytes: number, handlers: SocketHandlers): void {
  const mediaType = req.getHeader("content-type").split(";")[0]?.trim().toLowerCase();
  const encoding = req.getHeader("content-encoding").trim().toLowerCase();
  const exchange = openExchange(res, req.getHeader("opamp-instance-uid"));
  if (mediaType !== OPAMP_TYPE) return answer(res, 415, `Send ${OPAMP_TYPE}.`);
  if (!["", "identity", "gzip"].includes(encoding)) return answer(res, 415, "Send gzip or no encoding.");
  let gathered = Buffer.alloc(0);
  let sizeBytes = 0;
  let isRefused = false;
  res.onData((chunk, isLast) => {
    if (isRefused) return;
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxBytes) {
      isRefused = true;
      exchange.respond(413, new Uint8Array());
      return;
    }
    // One buffer that doubles: a body of a million tiny chunks must not cost a million objects.
    if (sizeBytes > gathered.byteLength) {
      const larger = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(sizeBytes, 2 * gathered.byteLength)));
      gathered.copy(larger);
      gathered = larger;
    }
    gathered.set(new Uint8Array(chunk), sizeBytes - chunk.byteLength); // a copy: the chunk is gone when this returns
    if (!isLast) return;
    const body = gathered.subarray(0, sizeBytes);
    if (encoding === "gzip") void inflateInto(body, maxBytes, exchange, handlers);
    else handlers.post(exchange, body);
  });
}

/** Inflating stops at the limit, so a small bomb costs no more than a large honest body. Never rejects. */
async function inflateInto(
  body: Buffer,
  maxBytes: number,
  exchange: Exchange,
  handlers: SocketHandlers,
): Promise<void> {
  try {
    handlers.post(exchange, await inflate(body, { maxOutputLength: maxBytes }));
  } catch (error) {
    const isTooLarge = error instanceof RangeError;
    exchange.respond(isTooLarge ? 413 : 400, new Uint8Array());
  }
}

function openExchange(res: HttpResponse, claimedUid: string): Exchange {
  let isDone = false;
  res.onAborted(() => {
    isDone = true;
  });
  return {
    remoteAddress: addressOf(res),
    claimedUid,
    respond(status, body, retryAfterS) {
      if (isDone) return;
      isDone = true;
      res.cork(() => {
        res.writeStatus(STATUS_LINES[status]).writeHeader("content-type", OPAMP_TYPE);
        if (retryAfterS !== undefined) res.writeHeader("retry-after", String(retryAfterS));
        res.end(body);
      });
    },
  };
}
