// Many agents in one process, and the process itself.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { formatUid } from "@muster/protocol";
import { until } from "@muster/testkit";
import { startFleet } from "./fleet.ts";
import { createIdentity } from "./identity.ts";
import type { Recorder } from "./recorder.ts";
import { startRecorder } from "./recorder.ts";

let recorder: Recorder;
beforeEach(async () => {
  recorder = await startRecorder();
});
afterEach(() => recorder.close());

describe("startFleet", () => {
  it("connects hundreds of agents with the identities of their seed", async () => {
    const fleet = startFleet({ count: 300, endpoint: recorder.wsUrl, seed: 5 }, new AbortController().signal);
    await fleet.started;
    assert.equal(fleet.counts().connected, 300);
    await until(() => new Set(recorder.messages.map((message) => formatUid(message.instanceUid))).size === 300);
    assert.equal(fleet.agents[17]?.uid, createIdentity(5, 17).uid);
    await fleet.stop();
    assert.equal(fleet.counts().connected, 0);
  });

  it("takes endpoints in turn, adds attributes, and numbers agents from firstIndex", async () => {
    const other = await startRecorder();
    const fleet = startFleet(
      {
        count: 4,
        endpoint: [recorder.wsUrl, other.wsUrl],
        firstIndex: 10,
        attributes: (index) => [["rack", `r${index}`]],
      },
      new AbortController().signal,
    );
    await fleet.started;
    assert.deepEqual([recorder.sockets.size, other.sockets.size], [2, 2]);
    assert.equal(fleet.agents[0]?.uid, createIdentity(1, 10).uid);
    await until(() => recorder.messages.length > 0);
    const attributes = recorder.messages[0]?.agentDescription?.nonIdentifyingAttributes ?? [];
    assert.ok(attributes.some(({ key, value }) => key === "rack" && value?.value.value === "r10"));
    await fleet.stop();
    await other.close();
  });

  it("stops when its signal aborts, even while nobody lets it in", async () => {
    recorder.refuse = { status: 401 };
    const ending = new AbortController();
    const fleet = startFleet({ count: 20, endpoint: recorder.wsUrl }, ending.signal);
    await until(() => recorder.refusals.length >= 20);
    ending.abort();
    await fleet.started;
    await fleet.stop();
    assert.ok(fleet.agents.every((agent) => agent.state().phase === "down"));
  });

  it("tells every event to one place", async () => {
    const kinds = new Map<string, number>();
    const onEvent = (event: { readonly kind: string }): void => {
      kinds.set(event.kind, (kinds.get(event.kind) ?? 0) + 1);
    };
    const fleet = startFleet({ count: 5, endpoint: recorder.wsUrl, onEvent }, new AbortController().signal);
    await fleet.started;
    recorder.push({ flags: 1n });
    await until(() => kinds.get("full-state-requested") === 5);
    assert.equal(kinds.get("connected"), 5);
    await fleet.stop();
  });
});

describe("main", () => {
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));

  it("says when all are connected, and ends cleanly on SIGTERM", async () => {
    const child = spawn(process.execPath, [
      main,
      "--endpoint",
      recorder.wsUrl,
      "--agents",
      "7",
      "--heartbeat-ms",
      "50",
    ]);
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += String(chunk);
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await until(() => output === "simulator.ready agents=7\n", { timeoutMs: 10_000 });
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
    await until(() => recorder.messages.filter((message) => message.agentDisconnect !== undefined).length === 7);
  });

  it("says what is wrong with its command line", async () => {
    const child = spawn(process.execPath, [main, "--profile", "toaster"]);
    let output = "";
    child.stderr.on("data", (chunk) => {
      output += String(chunk);
    });
    assert.equal(await new Promise((resolve) => child.once("close", resolve)), 2);
    assert.match(output, /--profile is one of supervisor, .*\nnpm run simulate/);
  });
});
