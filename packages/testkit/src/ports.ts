// Free ports for tests. The kernel picks; nobody holds the port afterwards, so use it soon. Fixed numbers in tests
// collide as soon as two of them run at once.

import { createServer } from "node:net";

/** A TCP port nobody listens on at this moment, on `host` (default 127.0.0.1). */
export function freePort(host = "127.0.0.1"): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === "string") reject(new Error("the listener has no port"));
        else resolve(address.port);
      });
    });
  });
}
