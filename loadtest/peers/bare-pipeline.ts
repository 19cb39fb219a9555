// The least that an agent can cost that is found once its server has died: a uWebSockets.js server that understands each full
// report, encrypts what the agent runs under an address of its own, and puts both into a Redis, the facts into a stream for
// bare-projector.ts to make records of. It answers with a constant once Redis has them, with the libraries that Muster uses and
// many agents to a command. It knows no sessions: two of them would not notice that they have the same agent, and a message
// that was lost is not missed. Of what is no full report it keeps nothing, and its keys go with it: the cost is the same. Run as a
// process of its own with Redis' port; prints its address, ends with its standard input, and fails when Redis does.

// biome-ignore lint/style/noRestrictedImports: the peer is the engine itself, without any of the gateway around it
import { App, type WebSocket } from "uWebSockets.js";
import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { decodeAgentFrame, decodeAttributes, formatUidAt, ProtocolError } from "@muster/protocol";
// biome-ignore lint/style/noRestrictedImports: the peer is the client itself, without any of the store around it
import { Redis } from "ioredis";
import type { Fact } from "./bare-projector.ts";
import { ANSWER, listen, SOCKETS, upgradeWith } from "./listen.ts";

interface Agent {
  isGone: boolean;
}

interface Told {
  readonly ws: WebSocket<Agent>;
  readonly fact: Fact;
  readonly body: Buffer;
}

const redis = new Redis(Number(process.argv[2]), "127.0.0.1", { retryStrategy: () => null });
const [addressKey, sealKey] = [randomBytes(32), randomBytes(32)];
let told: Told[] = [];
let isFlushing = false;

function takeIn(ws: WebSocket<Agent>, frame: ArrayBuffer): void {
  const message = decodeAgentFrame(new Uint8Array(frame));
  if (message instanceof ProtocolError) throw message;
  const { agentDescription, health, effectiveConfig } = message;
  if (agentDescription === undefined) return void ws.send(ANSWER, true); // no full report
  const config = effectiveConfig?.configMap?.configMap[""]?.body ?? new Uint8Array();
  const fact: Fact = {
    uid: formatUidAt(message.instanceUid, 0),
    seq: Number(message.sequenceNum),
    attributes: [
      ...decodeAttributes(agentDescription.identifyingAttributes),
      ...decodeAttributes(agentDescription.nonIdentifyingAttributes),
    ],
    isHealthy: health?.healthy === true,
    status: health?.status ?? "",
    config: createHmac("sha256", addressKey).update(config).digest("base64url"),
  };
  told.push({ ws, fact, body: seal(config) });
  if (!isFlushing) void flush();
}

function seal(body: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", sealKey, nonce);
  return Buffer.concat([nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()]);
}

/** What comes while Redis is asked goes with the next. */
async function flush(): Promise<void> {
  isFlushing = true;
  await new Promise(setImmediate);
  while (told.length > 0) {
    const batch = told;
    told = [];
    const bodies = batch.flatMap(({ fact, body }) => [`body:${fact.config}`, body]);
    const facts = JSON.stringify(batch.map(({ fact }) => fact));
    await Promise.all([redis.mset(...bodies), redis.xadd("facts", "*", "facts", facts)]);
    for (const { ws } of batch) if (!ws.getUserData().isGone) ws.send(ANSWER, true);
  }
  isFlushing = false;
}

await redis.ping();
const app = App();
app.ws<Agent>("/*", {
  ...SOCKETS,
  upgrade: upgradeWith((): Agent => ({ isGone: false })),
  message: takeIn,
  close: (ws) => {
    ws.getUserData().isGone = true;
  },
});
listen(app);
