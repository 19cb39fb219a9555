// The least that a broadcast of a config can cost: a uWebSockets.js server that holds its sockets and, told to, writes one
// ready-made offer to each in a loop. Whatever agents say it answers with bytes that it has ready. Run as a process of its own with
// the config and its hash; prints its address, sends on the first line of its standard input, and ends with it.

// biome-ignore lint/style/noRestrictedImports: the peer is the engine itself, without any of the gateway around it
import { App, type WebSocket } from "uWebSockets.js";
import { create } from "@bufbuild/protobuf";
import { decodeAgentFrame, encodeServerFrame, ProtocolError } from "@muster/protocol";
import { ServerCapabilities, ServerToAgentSchema } from "@muster/protocol/opamp";
import { listen, SOCKETS, upgradeWith } from "./listen.ts";

const CONFIG = Buffer.from(process.argv[2] ?? "");
const HASH = Buffer.from(process.argv[3] ?? "", "hex");
const CAPABILITIES = BigInt(
  ServerCapabilities.ServerCapabilities_AcceptsStatus | ServerCapabilities.ServerCapabilities_OffersRemoteConfig,
);
const REMOTE_CONFIG = {
  config: { configMap: { "base.yaml": { body: CONFIG, contentType: "text/yaml" } } },
  configHash: HASH,
};

interface Agent {
  answer: Uint8Array | null;
  offer: Uint8Array;
}

const sockets = new Set<WebSocket<Agent>>();
const app = App();
app.ws<Agent>("/*", {
  ...SOCKETS,
  upgrade: upgradeWith((): Agent => ({ answer: null, offer: new Uint8Array() })),
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

listen(app);
process.stdin.once("data", () => {
  for (const ws of sockets) ws.send(ws.getUserData().offer, true);
});
