// A free port can be listened on at once; a taken one is not free.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { it } from "node:test";
import { freePort, isFree } from "./ports.ts";

it("finds a port that can be listened on, and sees that it is taken then", async () => {
  const port = await freePort();
  assert.ok(port < 32_768, "below the range of outgoing connections");
  assert.equal(await isFree(port), true);
  const server = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve, reject) => server.once("listening", resolve).once("error", reject));
  assert.equal(await isFree(port), false);
  await new Promise((resolve) => server.close(resolve));
});

it("gives no port twice, though nobody listens on the first yet", async () => {
  const ports = await Promise.all(Array.from({ length: 500 }, () => freePort()));
  assert.equal(new Set(ports).size, ports.length);
});
