// The least that answering an agent can cost: a uWebSockets.js server that answers every frame with a constant and keeps
// nothing. Run as a process of its own; prints its address, and ends with its standard input.

// biome-ignore lint/style/noRestrictedImports: the peer is the engine itself, without any of the gateway around it
import { App } from "uWebSockets.js";
import { ANSWER, listen, SOCKETS } from "./listen.ts";

const app = App();
app.ws("/*", {
  ...SOCKETS,
  message: (ws) => {
    ws.send(ANSWER, true);
  },
});
listen(app);
