// A free port can be listened on at once; a taken one is not free.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
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

it("gives no port that another process was given", async () => {
  const module = new URL("./ports.ts", import.meta.url).href;
  const code = `const { freePort } = await import("${module}");
    const ports = await Promise.all(Array.from({ length: 500 }, () => freePort()));
    console.log(ports.join(" "));
    process.stdin.resume();`;
  const other = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const { value: line } = await createInterface(other.stdout)[Symbol.asyncIterator]().next();
    const theirs = new Set(String(line).split(" ").map(Number));
    assert.equal(theirs.size, 500);
    const ours = await Promise.all(Array.from({ length: 2_000 }, () => freePort()));
    assert.deepEqual(
      ours.filter((port) => theirs.has(port)),
      [],
    );
  } finally {
    other.stdin.end();
    await once(other, "exit");
  }
});
