// A tiny OpAMP server that writes down what agents say, for the specs of the sockets. Answers every message with
// nothing but uid and capabilities; everything else is on request. No server to learn from.

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import {
  decodeAgentBody,
  decodeAgentFrame,
  encodeServerBody,
  encodeServerFrame,
  formatUid,
  ProtocolError,
} from "@muster/protocol";
import type { AgentToServer } from "@muster/protocol/opamp";
import { ServerToAgentSchema } from "@muster/protocol/opamp";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";

type Answer = Omit<MessageInitShape<typeof ServerToAgentSchema>, "$typeName">;

/** A connection attempt or request that was let in. */
export interface Visit {
  readonly headers: IncomingMessage["headers"];
  readonly atMs: number;
}

/** The server and what it saw. */
export interface Recorder {
  readonly wsUrl: string;
  readonly httpUrl: string;
  readonly port: number;
  /** All messages of all agents, in order of arrival. */
  readonly messages: AgentToServer[];
  readonly visits: Visit[];
  /** When attempts were refused, epoch milliseconds. */
  readonly refusals: number[];
  readonly sockets: Set<WebSocket>;
  /** Close codes that agents sent. */
  readonly closeCodes: number[];
  /** Refuses upgrades and requests while set. */
  refuse: { readonly status: number; readonly retryAfter?: string } | undefined;
  /** Put into the next answer to each agent over HTTP. */
  queued: Answer[];
  messagesOf(uid: string): readonly AgentToServer[];
  /** Sends to every WebSocket. */
  push(answer: Answer): void;
  close(): Promise<void>;
}

/** Starts a recorder on loopback; port 0 takes a free one. */
export async function startRecorder(port = 0): Promise<Recorder> {
  const server = createServer();
  const upgrades = new WebSocketServer({ noServer: true });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  // A server that listens on a TCP port has an AddressInfo.
  const listening = (server.address() as AddressInfo).port;
  const recorder: Recorder = {
    wsUrl: `ws://127.0.0.1:${listening}/v1/opamp`,
    httpUrl: `http://127.0.0.1:${listening}/v1/opamp`,
    port: listening,
    messages: [],
    visits: [],
    refusals: [],
    sockets: new Set(),
    closeCodes: [],
    refuse: undefined,
    queued: [],
    messagesOf: (uid) => recorder.messages.filter((message) => formatUid(message.instanceUid) === uid),
    push(answer) {
      for (const socket of recorder.sockets) socket.send(encodeServerFrame(create(ServerToAgentSchema, answer)));
    },
    async close() {
      for (const socket of recorder.sockets) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on("upgrade", (request, socket: Socket, head) => {
    if (recorder.refuse !== undefined) {
      refuseUpgrade(recorder, socket);
      return;
    }
    recorder.visits.push({ headers: request.headers, atMs: Date.now() });
    upgrades.handleUpgrade(request, socket, head, (webSocket) => serve(recorder, webSocket));
  });
  server.on("request", (request, response) => record(recorder, request, response));
  return recorder;
}

function refuseUpgrade(recorder: Recorder, socket: Socket): void {
  const { status = 503, retryAfter } = recorder.refuse ?? {};
  recorder.refusals.push(Date.now());
  const header = retryAfter === undefined ? "" : `Retry-After: ${retryAfter}\r\n`;
  socket.on("error", () => {}); // the agent may be gone already
  socket.end(`HTTP/1.1 ${status} Refused\r\n${header}Content-Length: 0\r\nConnection: close\r\n\r\n`);
}

function serve(recorder: Recorder, socket: WebSocket): void {
  recorder.sockets.add(socket);
  socket.on("message", (data) => {
    const message = Buffer.isBuffer(data) ? decodeAgentFrame(data) : undefined;
    if (message === undefined || message instanceof ProtocolError) return;
    recorder.messages.push(message);
    const answer = create(ServerToAgentSchema, { instanceUid: message.instanceUid, capabilities: 7n });
    socket.send(encodeServerFrame(answer), () => {});
  });
  socket.on("close", (code) => {
    recorder.closeCodes.push(code);
    recorder.sockets.delete(socket);
  });
}

function record(recorder: Recorder, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    if (recorder.refuse !== undefined) {
      const { status, retryAfter } = recorder.refuse;
      recorder.refusals.push(Date.now());
      response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter }).end();
      return;
    }
    const message = decodeAgentBody(Buffer.concat(chunks));
    if (message instanceof ProtocolError) {
      response.writeHead(400).end();
      return;
    }
    recorder.visits.push({ headers: request.headers, atMs: Date.now() });
    recorder.messages.push(message);
    const { instanceUid } = message;
    const answer = create(ServerToAgentSchema, { ...recorder.queued.shift(), instanceUid, capabilities: 7n });
    response.writeHead(200, { "content-type": "application/x-protobuf" }).end(encodeServerBody(answer));
  });
}
