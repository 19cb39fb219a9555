// `npm start` itself, as its own process: ready with a fleet in the list, drained by one Ctrl-C within 10 s with exit
// code 0, everything it started gone, and its state found again by the next start.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { root } from "@muster/local";
import { AgentService } from "@muster/protocol/muster/agents";
import { freePort, guard, until } from "@muster/testkit";

const stateDir = mkdtempSync(join(tmpdir(), "muster-start-"));
after(() => rmSync(stateDir, { recursive: true, force: true }));

interface Started {
  readonly child: ChildProcess;
  output(): string;
  readonly exited: Promise<number | null>;
}

function start(args: readonly string[]): Started {
  const script = join(root, "deploy/local/src/start.ts");
  const env = { ...process.env, MUSTER_STATE_DIR: stateDir };
  const child = spawn(process.execPath, [script, ...args], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  guard(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  return { child, output: () => output, exited: new Promise((resolve) => child.once("exit", resolve)) };
}

/** Uids of all agents that the API at this port lists, connected or not. */
async function listUids(port: number): Promise<readonly string[]> {
  const baseUrl = `http://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  try {
    const client = createClient(AgentService, createGrpcTransport({ baseUrl, sessionManager }));
    return (await client.listAgents({ pageSize: 100 })).agents.map((agent) => agent.instanceUid);
  } finally {
    sessionManager.abort();
  }
}

it("starts, stops at Ctrl-C, and finds its fleet again", async () => {
  const [opamp, grpc, health] = [await freePort(), await freePort(), await freePort()];
  const ports = ["--opamp-port", `${opamp}`, "--grpc-port", `${grpc}`, "--health-port", `${health}`];

  const first = start([...ports, "--agents", "7"]);
  await until(() => first.output().includes("Muster is running with 7 simulated agents"), {
    timeoutMs: 60_000,
    what: "the first start",
  });
  const uids = await listUids(grpc);
  assert.equal(uids.length, 7);
  const startedAtMs = Date.now();
  first.child.kill("SIGINT");
  assert.equal(await first.exited, 0, first.output());
  assert.ok(Date.now() - startedAtMs < 10_000);
  await assert.rejects(listUids(grpc));

  const second = start([...ports, "--no-agents"]);
  await until(() => second.output().includes("Muster is running"), { timeoutMs: 60_000, what: "the second start" });
  assert.deepEqual(await listUids(grpc), uids);

  const third = start([...ports, "--no-agents"]);
  assert.equal(await third.exited, 1);
  assert.match(third.output(), /running from this folder already \(process \d+\); stop it/);
  second.child.kill("SIGINT");
  assert.equal(await second.exited, 0, second.output());
});
