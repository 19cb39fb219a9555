// Muster against what we did not write: a real Collector under the real OpAMP supervisor, and grpcurl. Run setup.sh
// first, then `node e2e/real-collector/check.ts` under the pinned Node; too slow, and in need of Go, for `npm test`.
// Prints what it saw, a line per step; exits 1 at the first that does not hold.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { root } from "@muster/local";
import { RemoteConfigState, ResourceUsageSource } from "@muster/protocol/muster/agents";
import { RolloutPhase } from "@muster/protocol/muster/rollouts";
import { freePort, until } from "@muster/testkit";
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

/** Gateways ask for a token, of the supervisor's connection and of the Collector's metrics alike. */
const AUTHORIZATION = "Bearer of-the-check";
const TOKENS = `check:${createHash("sha256").update("of-the-check").digest("hex")}`;

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
    .replace("ws://127.0.0.1:4320/v1/opamp", `${endpoint}\n  headers: {Authorization: ["${AUTHORIZATION}"]}`)
    .replace("/usr/local/bin/otelcol-contrib", tool("otelcol-muster"))
    .replace("/var/lib/otelcol/supervisor", dir);
  await writeFile(file, filled);
  // Collectors send their own metrics every minute unless their SDK is told otherwise.
  const env = { ...process.env, OTEL_METRIC_EXPORT_INTERVAL: "5000" };
  return spawn(tool("opampsupervisor"), ["--config", file], { cwd: dir, stdio: "ignore", env });
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

/** What /proc says of the Collector, a child of the supervisor. */
async function lookAt(
  supervisor: ChildProcess,
): Promise<{ readonly memoryBytes: number; readonly cpuSeconds: number }> {
  // Any of its threads may have started it.
  const tasks = await readdir(`/proc/${supervisor.pid}/task`);
  const lists = tasks.map((task) => readFile(`/proc/${supervisor.pid}/task/${task}/children`, "utf8"));
  const pid = (await Promise.all(lists)).join(" ").trim().split(/\s+/).at(-1);
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // Fields after the name in brackets: the 12th and 13th are the time it ran for itself and in the system, in hundredths of a second.
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  const memoryBytes = 1024 * Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]);
  return { memoryBytes, cpuSeconds: ((user ?? Number.NaN) + (system ?? Number.NaN)) / 100 };
}

/** A pipeline that takes metrics at this port and throws them away: decoding them keeps the Collector busy. */
function sink(port: number): string {
  return [
    `receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:${port}"}}}}`,
    "exporters: {nop: {}}",
    "service: {pipelines: {metrics: {receivers: [otlp], exporters: [nop]}}}",
    "",
  ].join("\n");
}

/** Sends metrics to the Collector, one request after the other, whenever it is there. */
async function flood(port: number, signal: AbortSignal): Promise<void> {
  const point = { timeUnixNano: "1", asDouble: 1, attributes: [{ key: "a", value: { stringValue: "b" } }] };
  const metrics = Array.from({ length: 2_000 }, (_, i) => ({ name: `m${i}`, gauge: { dataPoints: [point] } }));
  const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
  const headers = { "content-type": "application/json" };
  while (!signal.aborted) {
    const request = fetch(`http://127.0.0.1:${port}/v1/metrics`, { method: "POST", headers, body, signal });
    // It is refused while the Collector starts again.
    await request.then((response) => response.arrayBuffer()).catch(() => undefined);
    await setTimeout(20);
  }
}

async function checkOwnMetrics(world: World, supervisor: ChildProcess): Promise<void> {
  const { operator } = world;
  const port = await freePort();
  await publishAgain(operator, "base", sink(port));
  const { rollout } = await startNow(operator, { configId: "base" });
  await untilSucceeded(operator, rollout?.rolloutId ?? "", 60_000);
  const flooding = new AbortController();
  const flooded = flood(port, flooding.signal);
  try {
    await compareUsage(world, supervisor);
  } finally {
    flooding.abort();
    await flooded;
  }
}

async function compareUsage({ operator, stack }: World, supervisor: ChildProcess): Promise<void> {
  const [agent] = await untilListed(operator, 1, "connected=true", 30_000);
  const instanceUid = agent?.instanceUid ?? "";
  const destinationEndpoint = (stack.opampUrls[0] ?? "").replace(/^ws(.*)\/v1\/opamp$/, "http$1/v1/metrics");
  const ownMetrics = { destinationEndpoint, headers: { Authorization: AUTHORIZATION } };
  await operator.connections.offerConnectionSettings({ instanceUid, settings: { ownMetrics } });
  const usage = await until(
    async () => {
      const { resourceUsage } = (await operator.agents.getAgent({ instanceUid })).agent ?? {};
      return resourceUsage?.cpuCores === undefined ? false : resourceUsage;
    },
    { timeoutMs: 120_000, what: "the cores that the Collector keeps busy" },
  );
  assert.equal(usage.source, ResourceUsageSource.OWN_METRICS);
  const [startedAtMs, before] = [performance.now(), await lookAt(supervisor)];
  await setTimeout(10_000);
  const after = await lookAt(supervisor);
  const cores = (1_000 * (after.cpuSeconds - before.cpuSeconds)) / (performance.now() - startedAtMs);
  const [saidBytes, saidCores] = [Number(usage.memoryBytes), usage.cpuCores ?? Number.NaN];
  const seen = `it says ${saidBytes} bytes, ${saidCores} cores; /proc says ${after.memoryBytes} bytes, ${cores.toFixed(3)} cores`;
  assert.ok(saidBytes > after.memoryBytes / 1.5 && saidBytes < 1.5 * after.memoryBytes, seen);
  assert.ok(saidCores > 0.02 && saidCores > cores / 2 && saidCores < 2 * cores, seen);
  say(`the Collector sends its own metrics to the gateway: ${seen}`);
}

const world = await openWorld({ rollout: 1 }, { gateway: { MUSTER_GATEWAY_TOKENS: TOKENS } });
const dir = await mkdtemp(join(tmpdir(), "muster-supervisor-"));
const supervisor = await startSupervisor(dir, world.stack.opampUrls[0] ?? "");
try {
  await untilListed(world.operator, 1, "connected=true", 30_000);
  await checkGrpcurl(world);
  await checkCollector(world);
  await checkOwnMetrics(world, supervisor);
  supervisor.kill("SIGINT");
  await untilListed(world.operator, 0, "connected=true");
  say("it said goodbye");
} finally {
  supervisor.kill("SIGINT");
  await world.close();
  await rm(dir, { recursive: true, force: true });
}
