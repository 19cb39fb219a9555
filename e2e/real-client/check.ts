// Muster against an agent on OpAMP's own Go client library, over WebSocket and over plain HTTP, with two gateways: every
// kind of message there is. Run setup.sh first, then `node e2e/real-client/check.ts` under the pinned Node; too slow, and
// in need of Go, for `npm test`. Prints what it saw, a line per step; exits 1 at the first that does not hold.

import assert from "node:assert/strict";
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { root } from "@muster/local";
import { type Agent, PackageState, RemoteConfigState } from "@muster/protocol/muster/agents";
import { until } from "@muster/testkit";
import { openWorld, publish, startNow, type World } from "../world.ts";

const run = promisify(execFile);

/** What the agent said. */
type Event = { readonly event: string } & Readonly<Record<string, unknown>>;

interface RealAgent {
  readonly uid: string;
  readonly events: readonly Event[];
  tell(line: string): void;
  stop(): Promise<void>;
}

function say(sentence: string): void {
  process.stdout.write(`ok    ${sentence}\n`);
}

function startAgent(endpoint: string, uid = randomUUID(), args: readonly string[] = []): RealAgent {
  const options = ["--endpoint", endpoint, "--uid", uid.replaceAll("-", ""), ...args];
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(join(root, ".muster/tools/real-client"), options, {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const events: Event[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => events.push(JSON.parse(line) as Event)); // what it prints
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  return {
    uid,
    events,
    tell: (line) => void child.stdin.write(`${line}\n`),
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}

async function heard(agent: RealAgent, name: string, fits: (event: Event) => boolean = () => true): Promise<Event> {
  return await until(() => agent.events.find((event) => event.event === name && fits(event)) ?? false, {
    timeoutMs: 60_000,
    what: `the agent's "${name}" among ${JSON.stringify(agent.events)}`,
  });
}

async function known(world: World, uid: string, what: string, fits: (agent: Agent) => boolean): Promise<Agent> {
  return await until(
    async () => {
      const { agent } = await world.operator.agents.getAgent({ instanceUid: uid }).catch(() => ({ agent: undefined }));
      return agent !== undefined && fits(agent) ? agent : false;
    },
    { timeoutMs: 60_000, what },
  );
}

/** Everything that one agent reports and is told, over one transport. */
async function checkAgent(world: World, endpoint: string, files: string): Promise<void> {
  const { operator } = world;
  const agent = startAgent(endpoint);
  const { uid: instanceUid } = agent;
  try {
    const first = await known(world, instanceUid, "the agent's report", (a) => a.health?.healthy === true);
    assert.deepEqual(first.customCapabilities, ["io.example.echo"]);
    assert.ok(first.capabilities.length === 16, "all capabilities by name");
    say("reports, and all that it can");
    const tree = await known(
      world,
      instanceUid,
      "its components",
      (a) => a.availableComponents?.components["receivers"] !== undefined,
    );
    assert.ok(tree.availableComponents?.components["receivers"]?.subComponents["otlp"] !== undefined);
    say("told a hash of its components first, and all of them when it was asked");
    await operator.agents.sendCustomMessage({
      instanceUid,
      capability: "io.example.echo",
      type: "hello",
      data: Buffer.from("hi"),
    });
    await heard(agent, "custom-message", ({ data }) => data === "hi");
    await known(world, instanceUid, "the echo", (a) =>
      a.customMessages.some(({ type, data }) => type === "echo" && Buffer.from(data).toString() === "hi"),
    );
    say("took a custom message and sent one");
    await operator.agents.restartAgent({ instanceUid });
    assert.equal((await heard(agent, "command"))["type"], "CommandType_Restart");
    say("was told to restart, once");
    await checkPackages(world, agent, files);
    await operator.connections.offerConnectionSettings({
      instanceUid,
      settings: { opamp: { destinationEndpoint: endpoint, heartbeatIntervalSeconds: 2n } },
    });
    const offered = await heard(agent, "connection-settings");
    assert.deepEqual([offered["endpoint"], offered["heartbeat"]], [endpoint, 2]);
    await known(
      world,
      instanceUid,
      "its word on them",
      (a) => a.connectionSettingsStatus?.state === RemoteConfigState.APPLIED,
    );
    say("took connection settings with a heartbeat interval, and said so");
    agent.tell(`sign ${instanceUid}`);
    const certificate = await heard(agent, "certificate");
    assert.equal(certificate["subject"], instanceUid, JSON.stringify(certificate));
    say("asked for a certificate, and its CA vouches for what it got");
    agent.tell(`sign ${randomUUID()}`);
    await heard(agent, "error", ({ type }) => type === "ServerErrorResponseType_BadRequest");
    say("was refused one in another agent's name");
    agent.tell("sick of it");
    await known(world, instanceUid, "its health", (a) => a.health?.lastError === "of it");
    say("was listened to after that");
    assert.equal(agent.events.filter(({ event }) => event === "command").length, 1, "one restart");
    assert.equal(agent.events.filter(({ event }) => event === "packages").length, 1, "one offer of packages");
  } finally {
    await agent.stop();
  }
}

async function checkPackages(world: World, agent: RealAgent, files: string): Promise<void> {
  const contentHash = createHash("sha256").update(PACKAGE).digest("hex");
  const { uid: instanceUid } = agent;
  await world.operator.packages.offerPackages({
    instanceUid,
    packages: { tool: { version: "1.2.3", downloadUrl: `${files}/tool`, contentHash } },
  });
  await heard(agent, "packages");
  const installed = await known(world, instanceUid, "the installed package", (a) => {
    const status = a.packageStatuses?.packages["tool"];
    return (
      status?.state === PackageState.INSTALLED && status.agentHash !== "" && status.agentHash === status.offeredHash
    );
  });
  assert.equal(installed.packageStatuses?.allPackagesHash, installed.packagesOffer?.hash);
  say("downloaded and installed a package, and said so");
}

async function checkIdentity(world: World, endpoint: string): Promise<void> {
  const asking = startAgent(endpoint, randomUUID(), ["--ask-uid"]);
  const told = String((await heard(asking, "identified"))["uid"]);
  const newUid = told.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const renamed = await known(world, asking.uid, "the alias, with what was known", (a) => {
    return a.instanceUid === newUid && a.connection?.connected === true && "service.name" in a.identifyingAttributes;
  });
  assert.deepEqual(renamed.previousInstanceUids, [asking.uid]);
  say("was given the uid that it asked for, and is found under both");
  await asking.stop();
}

async function checkTwins(world: World, endpoints: readonly [string, string]): Promise<void> {
  const uid = randomUUID();
  const elder = startAgent(endpoints[0], uid);
  await known(world, uid, "the elder", (a) => a.connection?.connected === true);
  for (const endpoint of endpoints) {
    const younger = startAgent(endpoint, uid);
    const told = String((await heard(younger, "identified"))["uid"]).replace(
      /^(.{8})(.{4})(.{4})(.{4})(.{12})$/,
      "$1-$2-$3-$4-$5",
    );
    await known(world, told, "the younger under its own uid", (a) => a.connection?.connected === true);
    await younger.stop();
  }
  assert.deepEqual(
    elder.events.filter(({ event }) => event !== "connected"),
    [],
  );
  say("two agents with one uid were told apart, at one gateway and across two, and the elder noticed nothing");
  await elder.stop();
}

async function checkRollout(world: World, endpoint: string): Promise<void> {
  const agent = startAgent(endpoint);
  await known(world, agent.uid, "the agent", (a) => a.connection?.connected === true);
  await publish(world.operator, "real", "service.name=real-client");
  const stages = [{ size: { case: "percent", value: 100 } as const }];
  await startNow(world.operator, { configId: "real", revision: 1n, stages });
  await known(world, agent.uid, "its word on the config", ({ remoteConfigStatus, desiredConfig }) => {
    return remoteConfigStatus?.state === RemoteConfigState.APPLIED && remoteConfigStatus.hash === desiredConfig?.hash;
  });
  say("took a config in a rollout");
  await agent.stop();
}

const PACKAGE = Buffer.from("a package");

async function serveFiles(): Promise<Server> {
  const server = createServer((_, response) => response.end(PACKAGE));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const dir = await mkdtemp(join(tmpdir(), "muster-real-client-"));
const [cert, key] = [join(dir, "ca.pem"), join(dir, "ca.key")];
const openssl = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=CA";
await run("openssl", [...openssl.split(" "), "-keyout", key, "-out", cert]);
const gateway = {
  MUSTER_GATEWAY_CA_CERT_FILE: cert,
  MUSTER_GATEWAY_CA_KEY_FILE: key,
  MUSTER_GATEWAY_PUBLIC_ENDPOINT: "ws://127.0.0.1:4320/v1/opamp",
};
const world = await openWorld({ gateway: 2 }, { gateway });
const server = await serveFiles();
const files = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // listening on TCP
try {
  const [one = "", two = ""] = world.stack.opampUrls;
  for (const endpoint of [one, one.replace(/^ws/, "http")]) {
    say(`over ${new URL(endpoint).protocol}`);
    await checkAgent(world, endpoint, files);
    await checkIdentity(world, endpoint);
  }
  await checkTwins(world, [one, two]);
  await checkRollout(world, one);
} finally {
  server.close();
  await world.close();
  await rm(dir, { recursive: true, force: true });
}
