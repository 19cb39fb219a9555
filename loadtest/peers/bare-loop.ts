// The least that a broadcast of a config can cost: a uWebSockets.js server that holds its sockets and, told to, writes one
// ready-made offer to each in a loop. Whatever agents say it answers with bytes that it has ready. Run as a process of its own with
// configs, each followed by its hash; prints its address, sends the next config on each line of its standard input, and ends
// with it.

// biome-ignore lint/style/noRestrictedImports: the peer is the engine itself, without any of the gateway around it
import { App, type WebSocket } from "uWebSockets.js";
import { createInterface } from "node:readline";
import { create } from "@bufbuild/protobuf";
import { decodeAgentFrame, encodeServerFrame, ProtocolError } from "@muster/protocol";
import { ServerCapabilities, ServerToAgentSchema } from "@muster/protocol/opamp";
import { listen, SOCKETS, upgradeWith } from "./listen.ts";

const CAPABILITIES = BigInt(
  ServerCapabilities.ServerCapabilities_AcceptsStatus | ServerCapabilities.ServerCapabilities_OffersRemoteConfig,
);
const ARGUMENTS = process.argv.slice(2);
const REMOTE_CONFIGS = ARGUMENTS.flatMap((config, i) => {
  const body = Buffer.from(config);
  const configHash = Buffer.from(ARGUMENTS[i + 1] ?? "", "hex");
  return i % 2 === 1
    ? []
    : [{ config: { configMap: { "base.yaml": { body, contentType: "text/yaml" } } }, configHash }];
});

interface Agent {
  answer: Uint8Array | null;
  offers: readonly Uint8Array[];
}

const sockets = new Set<WebSocket<Agent>>();
const app = App();
app.ws<Agent>("/*", {
  ...SOCKETS,
  upgrade: upgradeWith((): Agent => ({ answer: null, offers: [] })),
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
  agent.offers = REMOTE_CONFIGS.map((remoteConfig) =>
    encodeServerFrame(create(ServerToAgentSchema, { instanceUid, remoteConfig })),
  );
  return encodeServerFrame(create(ServerToAgentSchema, { instanceUid, capabilities: CAPABILITIES }));
}

listen(app);
let sentCount = 0;
createInterface({ input: process.stdin }).on("line", () => {
  for (const ws of sockets) ws.send(ws.getUserData().offers[sentCount] ?? new Uint8Array(), true);
  sentCount += 1;
});
