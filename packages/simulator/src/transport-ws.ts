// One WebSocket connection of an agent. The only file that names `ws`.
//
// As opamp-go: no compression, no subprotocol, and any message that cannot be understood ends the connection.

import { decodeServerFrame, encodeAgentFrame, ProtocolError } from "@muster/protocol";
import { WebSocket } from "ws";
import { parseRetryAfter } from "./backoff.ts";
import type { Dial, Transport, TransportListener } from "./transport.ts";

/** How long a server may take to answer our Close frame before the connection is cut. */
const CLOSE_TIMEOUT_MS = 1000;

/** Connects; the outcome is told to the listener. */
export function openWebSocket(dial: Dial, listener: TransportListener, nowMs: () => number): Transport {
  const socket = new WebSocket(dial.endpoint, {
    perMessageDeflate: false,
    headers: { "User-Agent": "Go-http-client/1.1", ...dial.headers },
    handshakeTimeout: 30_000,
    ...(dial.localAddress === undefined ? {} : { localAddress: dial.localAddress }),
  });
  let over = false;
  const once = (tell: () => void): void => {
    if (over) return;
    over = true;
    tell();
  };
  let wasOpen = false;
  socket.on("open", () => {
    wasOpen = true;
    if (!over) listener.connected();
  });
  socket.on("message", (data, isBinary) => {
    if (over) return;
    const message = isBinary && Buffer.isBuffer(data) ? decodeServerFrame(data) : undefined;
    if (message === undefined || message instanceof ProtocolError) socket.terminate();
    else listener.received(message);
  });
  socket.on("unexpected-response", (request, response) => {
    const status = response.statusCode;
    const retryAfterMs = parseRetryAfter(response.headers["retry-after"], nowMs());
    request.destroy();
    once(() => listener.refused({ status, retryAfterMs }));
  });
  socket.on("error", () => {}); // "close" follows and says all we need
  socket.on("close", (code) => {
    once(() => (wasOpen ? listener.closed(code) : listener.refused({ status: undefined, retryAfterMs: undefined })));
  });
  return {
    send: (message) => socket.send(encodeAgentFrame(message), () => {}), // a failed send is followed by "close"
    close: () => {
      over = true;
      return closed(socket);
    },
    destroy: () => {
      over = true;
      socket.terminate();
    },
  };
}

function closed(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    if (socket.readyState === WebSocket.CONNECTING) socket.terminate();
    else socket.close(1000, "Normal Closure");
  });
}
