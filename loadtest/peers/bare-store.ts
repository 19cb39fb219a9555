// The least that an agent can cost whose server may die: a uWebSockets.js server that puts every frame into a Redis, as it came
// and under the agent's uid, and answers with a constant once Redis has it. It understands nothing, and nothing can be found. Run
// as a process of its own with Redis' port; prints its address, and ends with its standard input.

// biome-ignore lint/style/noRestrictedImports: the peer is the engine itself, without any of the gateway around it
import { App, type WebSocket } from "uWebSockets.js";
import { connect } from "node:net";
import { ANSWER, listen, SOCKETS, upgradeWith } from "./listen.ts";

/** Where the uid is in a frame: behind the header, its field's tag and its length. */
const [UID_START, UID_END] = [3, 19];
const OK = "+OK\r\n";

interface Agent {
  isGone: boolean;
}

/** Whom Redis is yet to answer for, in the order of the commands. */
const waiting: WebSocket<Agent>[] = [];
const redis = connect(Number(process.argv[2]), "127.0.0.1").setNoDelay();
let rest = "";
redis.setEncoding("latin1").on("data", (text: string) => {
  rest += text;
  for (; rest.startsWith(OK); rest = rest.slice(OK.length)) {
    const ws = waiting.shift();
    if (ws?.getUserData().isGone === false) ws.send(ANSWER, true);
  }
  if (rest.length >= OK.length) throw new Error(`Redis says ${rest}`);
});

/** One command for a frame; those of a turn of the event loop are one write. */
function keep(ws: WebSocket<Agent>, frame: Buffer): void {
  if (redis.writableCorked === 0) {
    redis.cork();
    setImmediate(() => redis.uncork());
  }
  redis.write(`*3\r\n$3\r\nSET\r\n$${UID_END - UID_START}\r\n`, "latin1");
  redis.write(frame.subarray(UID_START, UID_END));
  redis.write(`\r\n$${frame.length}\r\n`, "latin1");
  redis.write(frame);
  redis.write("\r\n", "latin1");
  waiting.push(ws);
}

const app = App();
app.ws<Agent>("/*", {
  ...SOCKETS,
  upgrade: upgradeWith((): Agent => ({ isGone: false })),
  // What it is given is uWebSockets' own memory, and gone after this call.
  message: (ws, message) => keep(ws, Buffer.from(message.slice(0))),
  close: (ws) => {
    ws.getUserData().isGone = true;
  },
});
listen(app);
