// The least that a broadcast of a config can cost: a server that holds its sockets and, told to, writes one ready-made
// offer to each in a loop. Run as a process of its own by rollout.ts; prints its port, and sends on each line it reads.

import { createInterface } from "node:readline";
import { create } from "@bufbuild/protobuf";
import { decodeAgentFrame, encodeServerFrame, ProtocolError } from "@muster/protocol";
import { ServerCapabilities, ServerToAgentSchema } from "@muster/protocol/opamp";
import { type WebSocket, WebSocketServer } from "ws";

const CONFIG = Buffer.from(process.argv[2] ?? "");
const HASH = Buffer.from(process.argv[3] ?? "", "hex");
const CAPABILITIES = BigInt(
  ServerCapabilities.ServerCapabilities_AcceptsStatus | ServerCapabilities.ServerCapabilities_OffersRemoteConfig,
);

const uids = new Map<WebSocket, Uint8Array>();
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (data: Buffer) => {
    const message = decodeAgentFrame(data);
    if (message instanceof ProtocolError) throw message;
    const { instanceUid } = message;
    uids.set(socket, instanceUid);
    socket.send(encodeServerFrame(create(ServerToAgentSchema, { instanceUid, capabilities: CAPABILITIES })));
  });
});
server.on("listening", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});

createInterface({ input: process.stdin }).on("line", () => {
  for (const [socket, instanceUid] of uids) {
    const remoteConfig = {
      config: { configMap: { "base.yaml": { body: CONFIG, contentType: "text/yaml" } } },
      configHash: HASH,
    };
    socket.send(encodeServerFrame(create(ServerToAgentSchema, { instanceUid, remoteConfig })));
  }
});
process.stdin.on("end", () => process.exit(0));
