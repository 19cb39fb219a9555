// Muster against what we did not write: a real Collector under the real OpAMP supervisor, and grpcurl. Run setup.sh
// first, then `node e2e/real-collector/check.ts` under the pinned Node; too slow, and in need of Go, for `npm test`.
// Prints what it saw, a line per step; exits 1 at the first that does not hold.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "@muster/local";
import { RemoteConfigState } from "@muster/protocol/muster/agents";
import { RolloutPhase } from "@muster/protocol/muster/rollouts";
import { until } from "@muster/testkit";
import {
  openWorld,
  publish,
  publishAgain,
  startNow,
  untilListed,
  untilRollout,
  untilSucceeded,
  type World,
} from "../world.ts";

const run = promisify(execFile);
const tool = (name: string): string => join(root, ".muster/tools", name);

function pipelines(exporter: string): string {
  return [
    "receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:0}}}}",
    `exporters: {${exporter}: {}}`,
    `service: {pipelines: {traces: {receivers: [otlp], exporters: [${exporter}]}}}`,
    "",
  ].join("\n");
}

function say(sentence: string): void {
  process.stdout.write(`ok    ${sentence}\n`);
}

/** Starts the supervisor with the file that README.md shows, its placeholders filled in. */
async function startSupervisor(dir: string, endpoint: string): Promise<ChildProcess> {
  const template = await readFile(new URL("supervisor.yaml", import.meta.url), "utf8");
  const file = join(dir, "supervisor.yaml");
  const filled = template
    .replace("ws://127.0.0.1:4320/v1/opamp", endpoint)
    .replace("/usr/local/bin/otelcol-contrib", tool("otelcol-muster"))
    .replace("/var/lib/otelcol/supervisor", dir);
  await writeFile(file, filled);
  return spawn(tool("opampsupervisor"), ["--config", file], { cwd: dir, stdio: "ignore" });
}

async function checkGrpcurl({ stack }: World): Promise<void> {
  const address = new URL(stack.managementUrl).host;
  const { stdout: services } = await run(tool("grpcurl"), ["-plaintext", address, "list"]);
  for (const name of ["AgentService", "ConfigService", "RolloutService"])
    assert.match(services, new RegExp(`muster.v1.${name}`));
  say(`grpcurl lists the services by reflection: ${services.trim().split("\n").join(", ")}`);
  const { stdout: health } = await run(tool("grpcurl"), ["-plaintext", address, "grpc.health.v1.Health/Check"]);
  assert.match(health, /SERVING/);
  const { stdout: listed } = await run(tool("grpcurl"), [
    "-plaintext",
    "-d",
    '{"selector": "connected=true"}',
    address,
    "muster.v1.AgentService/ListAgents",
  ]);
  assert.equal((JSON.parse(listed) as { agents: unknown[] }).agents.length, 1);
  say("grpcurl sees the agent and a serving health service");
}

async function checkCollector({ operator }: World): Promise<void> {
  const [agent] = await untilListed(operator, 1, "connected=true", 30_000);
  const uid = agent?.instanceUid ?? "";
  say(`the supervisor is listed as ${uid} with ${agent?.capabilities.join(", ")}`);
  const hash = await publish(operator, "base", "service.name=otelcol-muster", pipelines("nop"));
  const first = await startNow(operator, { configId: "base" });
  await untilSucceeded(operator, first.rollout?.rolloutId ?? "", 60_000);
  const { agent: applied } = await operator.agents.getAgent({ instanceUid: uid });
  assert.equal(applied?.remoteConfigStatus?.hash, hash);
  assert.equal(applied.remoteConfigStatus.state, RemoteConfigState.APPLIED);
  const effective = applied.effectiveConfig?.files.map((file) => Buffer.from(file.body).toString()).join("") ?? "";
  assert.match(effective, /nop/);
  say("a rollout brought it the first revision: APPLIED, healthy, and in its effective config");
  await publishAgain(operator, "base", pipelines("nonsense"));
  const second = await startNow(operator, { configId: "base" });
  const rolloutId = second.rollout?.rolloutId ?? "";
  const refused = await untilRollout(operator, rolloutId, "its end", ({ phase }) => phase === RolloutPhase.INVALID);
  assert.match(refused.message, /lack exporters\/nonsense/);
  say(`a revision with an exporter that the Collector does not have reached nobody: ${refused.message}`);
  await publishAgain(operator, "base", pipelines("debug"));
  const third = await until(() => startNow(operator, { configId: "base" }), {
    what: "the end of the bad rollout",
  });
  await untilSucceeded(operator, third.rollout?.rolloutId ?? "", 60_000);
  say("a good revision brought it back");
}

const world = await openWorld({ rollout: 1 });
const dir = await mkdtemp(join(tmpdir(), "muster-supervisor-"));
const supervisor = await startSupervisor(dir, world.stack.opampUrls[0] ?? "");
try {
  await untilListed(world.operator, 1, "connected=true", 30_000);
  await checkGrpcurl(world);
  await checkCollector(world);
  supervisor.kill("SIGINT");
  await untilListed(world.operator, 0, "connected=true");
  say("it said goodbye");
} finally {
  supervisor.kill("SIGINT");
  await world.close();
  await rm(dir, { recursive: true, force: true });
}
