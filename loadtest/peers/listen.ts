// How the bare peers that are made of uWebSockets.js come up and end, as processes of their own: they print their address, and end
// with their standard input. What they do for a message is each one's own, but for the constant that most of them answer.

import {
  DISABLED,
  type TemplatedApp,
  us_listen_socket_close,
  us_socket_local_port,
  type WebSocketBehavior,
  // biome-ignore lint/style/noRestrictedImports: the peers are the engine itself, without any of the gateway around it
} from "uWebSockets.js";

/** Header, an instance uid of zeros, and a server's capabilities: the size of the gateway's answer to a heartbeat. */
export const ANSWER = Uint8Array.from([0, 0x0a, 16, ...new Array<number>(16).fill(0), 0x38, 0x87, 0x01]);

/** What all sockets have in common. */
export const SOCKETS = {
  compression: DISABLED,
  idleTimeout: 120,
  maxPayloadLength: 1024 * 1024,
} as const satisfies WebSocketBehavior<unknown>;

/** Takes every upgrade and gives the socket what `make` answers. */
export function upgradeWith<Data>(make: () => Data): NonNullable<WebSocketBehavior<Data>["upgrade"]> {
  return (response, request, context) => {
    const header = (name: string): string => request.getHeader(`sec-websocket-${name}`);
    response.upgrade<Data>(make(), header("key"), header("protocol"), header("extensions"), context);
  };
}

/** Listens on a free port of loopback. */
export function listen(app: TemplatedApp): void {
  app.listen("127.0.0.1", 0, (socket) => {
    if (socket === false) throw new Error("no port on 127.0.0.1 can be listened on");
    process.stdout.write(`ws://127.0.0.1:${us_socket_local_port(socket)}/v1/opamp\n`);
    process.stdin.resume().once("end", () => {
      us_listen_socket_close(socket);
      app.close();
      process.exit(0);
    });
  });
}
