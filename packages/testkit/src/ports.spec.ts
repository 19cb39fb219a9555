// A free port can be listened on at once.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { it } from "node:test";
import { freePort } from "./ports.ts";

it("finds a port that can be listened on", async () => {
  const port = await freePort();
  assert.ok(port > 0 && port < 65536);
  const server = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve, reject) => server.once("listening", resolve).once("error", reject));
  await new Promise((resolve) => server.close(resolve));
});
