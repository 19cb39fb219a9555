// The least that a broadcast of a config can cost: a uWebSockets.js server that holds its sockets and, told to, writes one
// ready-made offer to each in a loop. Whatever agents say it answers with bytes that it has ready. Run as a process of its own with
// the config and its hash; prints its address, sends on the first line of its standard input, and ends with it.

// biome-ignore lint/style/noRestrictedImports: the peer is the engine itself, without any of the gateway around it
import { App, DISABLED, us_listen_socket_close, us_socket_local_port, type WebSocket } from "uWebSockets.js";
import { create } from "@bufbuild/protobuf";
import { decodeAgentFrame, encodeServerFrame, ProtocolError } from "@muster/protocol";
import { ServerCapabilities, ServerToAgentSchema } from "@muster/protocol/opamp";

const CONFIG = Buffer.from(process.argv[2] ?? "");
const HASH = Buffer.from(process.argv[3] ?? "", "hex");
const CAPABILITIES = BigInt(
  ServerCapabilities.ServerCapabilities_AcceptsStatus | ServerCapabilities.ServerCapabilities_OffersRemoteConfig,
);
const REMOTE_CONFIG = {
  config: { configMap: { "base.yaml": { body: CONFIG, contentType: "text/yaml" } } },
  configHash: HASH,
};
const IDLE_TIMEOUT_S = 120;

interface Agent {
  answer: Uint8Array | null;
  offer: Uint8Array;
}

const sockets = new Set<WebSocket<Agent>>();
const app = App();
app.ws<Agent>("/*", {
  compression: DISABLED,
  idleTimeout: IDLE_TIMEOUT_S,
  maxPayloadLength: 1024 * 1024,
  upgrade: (response, request, context) => {
    const [key, protocol, extensions] = [
      request.getHeader("sec-websocket-key"),
      request.getHeader("sec-websocket-protocol"),
      request.getHeader("sec-websocket-extensions"),
    ];
    const agent: Agent = { answer: null, offer: new Uint8Array() };
    response.upgrade<Agent>(agent, key, protocol, extensions, context);
  },
  open: (ws) => void sockets.add(ws),
  message: (ws, frame) => {
    const agent = ws.getUserData();
    agent.answer ??= introduce(agent, new Uint8Array(frame));
    ws.send(agent.answer, true);
  },
  close: (ws) => void sockets.delete(ws),
});

/** Makes everything ready that the agent will ever be told; answers its answer. */
function introduce(agent: Agent, frame: Uint8Array): Uint8Array {
  const message = decodeAgentFrame(frame);
  if (message instanceof ProtocolError) throw message;
  const instanceUid = message.instanceUid.slice();
  agent.offer = encodeServerFrame(create(ServerToAgentSchema, { instanceUid, remoteConfig: REMOTE_CONFIG }));
  return encodeServerFrame(create(ServerToAgentSchema, { instanceUid, capabilities: CAPABILITIES }));
}

app.listen("127.0.0.1", 0, (socket) => {
  if (socket === false) throw new Error("no port on 127.0.0.1 can be listened on");
  process.stdout.write(`ws://127.0.0.1:${us_socket_local_port(socket)}/v1/opamp\n`);
  process.stdin.once("data", () => {
    for (const ws of sockets) ws.send(ws.getUserData().offer, true);
  });
  process.stdin.once("end", () => {
    us_listen_socket_close(socket);
    app.close();
    process.exit(0);
  });
});
