// What answers a PING means, and a real server with and without a password.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { freePort, type RedisServer, startRedis } from "@muster/testkit";
import { judge, ping } from "./ping.ts";

describe("judge", () => {
  const cases = [
    { name: "a pong", replies: ["+PONG"], kind: "pong" },
    { name: "a pong after AUTH", replies: ["+OK", "+PONG"], kind: "pong" },
    { name: "still loading", replies: ["-LOADING Redis is loading the dataset in memory"], kind: "loading" },
    { name: "no password given", replies: ["-NOAUTH Authentication required."], kind: "refused" },
    { name: "a wrong password", replies: ["-WRONGPASS invalid", "-NOAUTH Authentication required."], kind: "refused" },
    { name: "something else", replies: ["HTTP/1.1 400 Bad Request"], kind: "refused" },
  ];
  for (const c of cases) it(c.name, () => assert.equal(judge(c.replies).kind, c.kind));
});

describe("ping", () => {
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis({ args: ["--requirepass", "a b"] });
  });
  after(() => redis.stop());

  const cases = [
    { name: "the right password", url: () => `redis://:a%20b@127.0.0.1:${redis.port}`, expected: { kind: "pong" } },
    {
      name: "no password",
      url: () => redis.url,
      expected: { kind: "refused", reason: "NOAUTH Authentication required." },
    },
    {
      name: "another protocol",
      url: () => "http://127.0.0.1:1",
      expected: { kind: "refused", reason: "its URL must start with redis:// or rediss://" },
    },
    {
      name: "no URL",
      url: () => "localhost",
      expected: { kind: "refused", reason: "it is not a URL; write redis://host:port" },
    },
  ];
  for (const c of cases) it(c.name, async () => assert.deepEqual(await ping(c.url()), c.expected));

  it("says that nobody listens", async () => {
    const outcome = await ping(`redis://127.0.0.1:${await freePort()}`);
    assert.match(outcome.kind === "refused" ? outcome.reason : "", /ECONNREFUSED/);
  });

  it("says that a server hangs up", async () => {
    const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const outcome = await ping(`redis://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
    server.close();
    assert.equal(outcome.kind, "refused");
  });
});
