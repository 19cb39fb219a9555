// One agent over real sockets: what the shell adds to the state machine. Reconnects, refusals, goodbyes, both
// transports.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { LeakCheck } from "@muster/testkit";
import { freePort, trackLeaks, until } from "@muster/testkit";
import { describeMessage, GOOD_1 } from "./drive.ts";
import type { Fleet, FleetOptions } from "./fleet.ts";
import { startFleet } from "./fleet.ts";
import type { Recorder } from "./recorder.ts";
import { startRecorder } from "./recorder.ts";

const FAST: Partial<FleetOptions> = {
  applyTimeoutMs: 50,
  startMs: 5,
  crashMs: 2,
  crashRestartMs: 30,
  backoff: { initialMs: 10, factor: 1.5, jitter: 0.5, maxMs: 50 },
};

let recorder: Recorder;
let fleets: Fleet[];
let leaks: LeakCheck;

beforeEach(async () => {
  leaks = trackLeaks();
  recorder = await startRecorder();
  fleets = [];
});

afterEach(async () => {
  await Promise.all(fleets.map((fleet) => fleet.stop()));
  await recorder.close();
  await leaks.assertNone({ timeoutMs: 3000 });
});

function run(options: Partial<FleetOptions> = {}): Fleet {
  const fleet = startFleet({ count: 1, endpoint: recorder.wsUrl, ...FAST, ...options }, new AbortController().signal);
  fleets.push(fleet);
  return fleet;
}

async function runOne(options: Partial<FleetOptions> = {}) {
  const fleet = run(options);
  const [agent] = fleet.agents;
  assert.ok(agent !== undefined);
  await fleet.started;
  const told = (): boolean => recorder.messages.length >= agent.counts.sent;
  await until(() => agent.state().health.healthy && told(), { what: "a healthy agent that has said so" });
  return agent;
}

const lines = (): string[] => recorder.messages.map(describeMessage);
const offerOf = (hash: string) => ({
  remoteConfig: {
    configHash: Buffer.from(hash),
    config: {
      configMap: Object.fromEntries((GOOD_1 ?? []).map(([name, text]) => [name, { body: Buffer.from(text) }])),
    },
  },
});

describe("agent over WebSocket", () => {
  it("reports everything first, applies an offer and says so", async () => {
    const agent = await runOne();
    assert.match(lines()[0] ?? "", /^description; .*components hash$/);
    assert.equal(recorder.messages[0]?.sequenceNum, 0n);
    recorder.push(offerOf("h-1"));
    await until(() => agent.state().config.status === "APPLIED");
    await until(() => lines().at(-1) === "status APPLIED h-1");
    assert.deepEqual(agent.state().running, { hash: Buffer.from("h-1").toString("hex"), files: ["a.yaml"] });
    assert.equal(agent.counts.offers, 1);
    const offered = agent.events().find((event) => event.kind === "config-offered");
    assert.deepEqual(offered?.kind === "config-offered" && offered.files, ["a.yaml"]);
  });

  it("reconnects at once after a cut and after any close code, and says nothing it said before", async () => {
    const agent = await runOne();
    const ends = [
      () => agent.disconnectTcp(),
      ...[1000, 1001, 1012, 1013].map((code) => () => {
        for (const socket of recorder.sockets) socket.close(code);
      }),
    ];
    for (const [index, end] of ends.entries()) {
      const before = recorder.messages.length;
      const sequenceNum = agent.state().sequenceNum;
      end();
      await until(() => recorder.messages.length > before, { what: `reconnect ${index}` });
      assert.deepEqual(lines().slice(before), ["(nothing)"]);
      assert.equal(recorder.messages.at(-1)?.sequenceNum, BigInt(sequenceNum));
    }
    assert.equal(agent.counts.connects, 1 + ends.length);
    assert.equal(agent.counts.refusals, 0);
  });

  it("waits exactly as long as Retry-After says", async () => {
    const agent = await runOne();
    recorder.refuse = { status: 503, retryAfter: "1" };
    agent.disconnectTcp();
    await until(() => recorder.refusals.length === 2, { what: "two refusals" });
    const [first = 0, second = 0] = recorder.refusals;
    assert.ok(second - first >= 995 && second - first < 1500, `${second - first} ms apart`);
    assert.deepEqual(agent.events().find((event) => event.kind === "refused")?.kind, "refused");
    recorder.refuse = undefined;
    await until(() => agent.connected);
  });

  it("backs off from 401 and comes back when it is let in", async () => {
    recorder.refuse = { status: 401 };
    const fleet = run();
    await until(() => recorder.refusals.length >= 4, { what: "four attempts" });
    recorder.refuse = undefined;
    await fleet.started;
    await until(() => recorder.messages.length > 0);
    assert.match(lines()[0] ?? "", /^description; health true StatusOK; effective base; /, "it ran meanwhile");
  });

  it("backs off while nobody listens", async () => {
    const port = await freePort();
    const fleet = run({ endpoint: `ws://127.0.0.1:${port}/v1/opamp` });
    await until(() => (fleet.agents[0]?.counts.refusals ?? 0) >= 3);
    const late = await startRecorder(port);
    await fleet.started;
    await fleet.stop();
    await late.close();
  });

  it("ends the connection over a message it cannot understand", async () => {
    const agent = await runOne();
    for (const socket of recorder.sockets) socket.send("text");
    await until(() => agent.counts.connects === 2);
    for (const socket of recorder.sockets) socket.send(Buffer.of(0, 0xff, 0xff));
    await until(() => agent.counts.connects === 3);
  });

  it("heartbeats while nothing happens", async () => {
    await runOne({ heartbeatMs: 20 });
    await until(() =>
      lines()
        .slice(-3)
        .every((line) => line === "(nothing)"),
    );
  });

  it("says goodbye with agent_disconnect and close code 1000, and starts again at 0", async () => {
    const agent = await runOne();
    await agent.stop();
    await until(() => recorder.closeCodes.length === 1);
    assert.deepEqual(recorder.closeCodes, [1000]);
    assert.equal(lines().at(-1), 'health false "Supervisor is shutdown"; disconnect');
    const said = recorder.messages.length;
    agent.start();
    // On a busy machine the Collector may run before the first message is out, which then says so itself.
    await until(() =>
      lines()
        .slice(said)
        .some((line) => line.includes("health true StatusOK")),
    );
    const restarted = recorder.messages.findLastIndex((message) => message.sequenceNum === 0n);
    assert.equal(restarted, said);
    assert.match(lines()[restarted] ?? "", /^description; /);
  });

  it("dies without a word", async () => {
    const agent = await runOne();
    agent.kill();
    await until(() => recorder.closeCodes.length === 1);
    assert.deepEqual(recorder.closeCodes, [1006]);
    assert.ok(!lines().some((line) => line.includes("disconnect")));
  });

  it("answers ReportFullState at once and counts the requests", async () => {
    const agent = await runOne();
    recorder.push({ flags: 1n });
    await until(() => lines().at(-1)?.endsWith("components full"));
    assert.equal(agent.counts.fullStateRequests, 1);
  });

  it("moves to another server with other headers, and home again at the next start", async () => {
    const other = await startRecorder();
    const agent = await runOne({ headers: { authorization: "Bearer old" } });
    assert.equal(recorder.visits[0]?.headers.authorization, "Bearer old");
    const headers = { headers: [{ key: "Authorization", value: "Bearer new" }] };
    recorder.push({ connectionSettings: { opamp: { destinationEndpoint: other.wsUrl, headers } } });
    await until(() => other.messages.length === 1);
    assert.equal(other.visits[0]?.headers.authorization, "Bearer new");
    assert.equal(other.messages[0]?.sequenceNum, 0n);
    assert.equal(lines().at(-1), "disconnect");
    await agent.restart({ graceful: false });
    await until(() => recorder.visits.length === 2);
    assert.equal(recorder.visits[1]?.headers.authorization, "Bearer old");
    await other.close();
  });

  it("reports health, attributes and a killed Collector on request", async () => {
    const agent = await runOne();
    agent.reportHealth({ healthy: false, lastError: "disk full" });
    await until(() => lines().at(-1) === 'health false StatusRecoverableError "disk full"');
    agent.describe([["canary", "yes"]]);
    await until(() => lines().at(-1) === "description");
    const attributes = recorder.messages.at(-1)?.agentDescription?.nonIdentifyingAttributes ?? [];
    assert.ok(attributes.some((attribute) => attribute.key === "canary"));
    agent.killCollector();
    await until(() => agent.state().collector === "running" && lines().at(-1) === "health true StatusOK");
  });

  it("comes back after an offer killed it, if asked to", async () => {
    const agent = await runOne();
    agent.misbehave({ kind: "die-after-offer", comeBackAfterMs: 30 });
    recorder.push(offerOf("h-1"));
    await until(() => lines().some((line) => line.includes("status APPLYING h-1; packages")));
    await until(() => agent.state().health.healthy);
  });

  it("keeps only the most recent events", async () => {
    const agent = await runOne({ maxEvents: 2 });
    for (let i = 0; i < 5; i++) recorder.push({ flags: 2n });
    await until(() => agent.counts.received >= 8);
    assert.deepEqual(
      agent.events().map((event) => event.kind),
      ["components-requested", "components-requested"],
    );
  });
});

describe("agent over plain HTTP", () => {
  const options = (): Partial<FleetOptions> => ({ endpoint: recorder.httpUrl, heartbeatMs: 30 });

  it("reports, polls, takes an offer with an answer and sends each change at once", async () => {
    const agent = await runOne(options());
    assert.match(lines()[0] ?? "", /^description; /);
    const { headers } = recorder.visits[0] ?? {};
    assert.equal(headers?.["content-type"], "application/x-protobuf");
    assert.equal(headers?.["opamp-instance-uid"], agent.uid);
    recorder.queued.push(offerOf("h-1"));
    await until(() => agent.state().config.status === "APPLIED");
    await until(() => lines().includes("status APPLIED h-1") && lines().at(-1) === "(nothing)");
    const numbers = recorder.messages.map((message) => Number(message.sequenceNum));
    assert.deepEqual(numbers, [...numbers.keys()], "no gap, one request at a time");
  });

  it("sends the same bytes again after 503, and waits for Retry-After", async () => {
    const agent = await runOne(options());
    recorder.refuse = { status: 503, retryAfter: "1" };
    await until(() => recorder.refusals.length === 2, { what: "two refusals" });
    const [first = 0, second = 0] = recorder.refusals;
    assert.ok(second - first >= 995, `${second - first} ms apart`);
    assert.equal(agent.connected, false);
    recorder.refuse = undefined;
    await until(() => agent.connected);
    const numbers = recorder.messages.map((message) => Number(message.sequenceNum));
    assert.deepEqual(numbers, [...numbers.keys()], "nothing was lost");
  });

  it("loses a message to any other status and goes on: the server sees a gap", async () => {
    const agent = await runOne(options());
    const before = recorder.messages.length;
    recorder.refuse = { status: 500 };
    await until(() => recorder.refusals.length >= 2);
    recorder.refuse = undefined;
    await until(() => recorder.messages.length > before + 1);
    const numbers = recorder.messages.map((message) => Number(message.sequenceNum));
    assert.notDeepEqual(numbers, [...numbers.keys()]);
    assert.equal(agent.counts.refusals, 0);
  });

  it("ends with a last report and no goodbye", async () => {
    const agent = await runOne(options());
    await agent.stop();
    // What was still to be said may come with it.
    assert.match(lines().at(-1) ?? "", /^health false "Supervisor is shutdown"/);
    assert.ok(recorder.messages.every((message) => message.agentDisconnect === undefined));
  });
});
