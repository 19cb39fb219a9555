// The least that answering an agent can cost: a uWebSockets.js server that answers every frame with a constant and keeps
// nothing. Run as a process of its own; prints its address, and ends with its standard input.

// biome-ignore lint/style/noRestrictedImports: the peer is the engine itself, without any of the gateway around it
import { App, DISABLED, us_listen_socket_close, us_socket_local_port } from "uWebSockets.js";

/** Header, an instance uid of zeros, and a server's capabilities: the size of the gateway's answer to a heartbeat. */
const ANSWER = Uint8Array.from([0, 0x0a, 16, ...new Array<number>(16).fill(0), 0x38, 0x87, 0x01]);
const IDLE_TIMEOUT_S = 120;

const app = App();
app.ws("/*", {
  compression: DISABLED,
  idleTimeout: IDLE_TIMEOUT_S,
  maxPayloadLength: 1024 * 1024,
  message: (ws) => {
    ws.send(ANSWER, true);
  },
});
app.listen("127.0.0.1", 0, (socket) => {
  if (socket === false) throw new Error("no port on 127.0.0.1 can be listened on");
  process.stdout.write(`ws://127.0.0.1:${us_socket_local_port(socket)}/v1/opamp\n`);
  process.stdin.resume().once("end", () => {
    us_listen_socket_close(socket);
    app.close();
    process.exit(0);
  });
});
