// Free ports for tests. Nobody holds the port afterwards, so use it soon; fixed numbers in tests collide as soon as two
// of them run at once. Ports come from below the range that the kernel hands to outgoing connections, so that a
// server can be stopped and started on its port while reconnecting clients take ports at random.

import { createServer } from "node:net";

const lowest = 15_000;
const highest = 32_000;
const maxTries = 50;
/** Who asks for several before using the first must not be given one twice. */
const given = new Set<number>();

/** A TCP port nobody listens on at this moment, on `host` (default 127.0.0.1), and another one each time. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (let tries = 0; tries < maxTries; tries++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port, host)) return port;
  }
  throw new Error(`none of ${maxTries} ports that were tried on ${host} is free`);
}

/** Whether a server could listen on the port right now. */
export function isFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
