// Life of an agent, against what was observed on real supervisors: connecting, restarting, being told things.
// Time is virtual. Applying configs is in apply.spec.ts.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BAD_COMPONENT, BAD_SYNTAX, createDrive, GOOD_1, GOOD_2 } from "./drive.ts";
import type { Observation } from "./observation.ts";
import { CRASH_FAILED, crash, observe, SYNTAX, up } from "./observation.ts";

const CONNECTION: readonly Observation[] = [
  {
    name: "the first connection tells everything, components as a hash only",
    fresh: true,
    act: (drive) => drive.fresh(),
    want: [
      "@0",
      'description; health false; effective empty; status UNSET ""; packages; components hash',
      ...up(45, "base"),
    ],
  },
  {
    name: "a reconnect tells only uid, sequence number and capabilities, and the numbers go on",
    act: (drive) => {
      const before = drive.view().sequenceNum;
      drive.input({ kind: "disconnected" });
      drive.input({ kind: "connected" });
      assert.equal(drive.lastSequenceNum(), before);
    },
    want: ["@0", "(nothing)"],
  },
  {
    name: "what changed while the server was away comes with the first message",
    act: (drive) => {
      drive.input({ kind: "disconnected" });
      drive.input({ kind: "collector-killed", exitCode: -1 });
      drive.advance(6000);
      drive.input({ kind: "connected" });
    },
    want: ["@6000", "health true StatusOK; effective good-1"],
  },
  {
    name: "a graceful restart says goodbye, counts from 0 and tells everything",
    act: (drive) => {
      drive.input({ kind: "stopping" });
      drive.restart();
      assert.equal(drive.sequenceNums()[2], 0n);
    },
    want: [
      "@0",
      "health false StatusStopping",
      'health false "Supervisor is shutdown"; disconnect',
      "description; health false; effective empty; status APPLIED h-1; packages; components hash",
      ...up(45, "good-1"),
    ],
  },
  {
    name: "a machine that dies while APPLYING is APPLYING for ever; the same offer again is APPLIED",
    act: (drive) => {
      drive.offer("h-2", GOOD_2);
      drive.advance(2000);
      drive.forget();
      drive.input({ kind: "killed" });
      drive.restart();
      drive.advance(20_000);
      drive.offer("h-2", GOOD_2);
    },
    want: [
      "@2000",
      "description; health false; effective empty; status APPLYING h-2; packages; components hash",
      ...up(2045, "good-2"),
      "@22000",
      "status APPLIED h-2",
    ],
  },
  {
    name: "invalid YAML on disk: after a restart the first report goes out and the machine is lost",
    watchMs: 0,
    act: (drive) => {
      drive.offer("h-bad", BAD_SYNTAX);
      drive.forget();
      drive.input({ kind: "killed" });
      drive.restart();
      assert.equal(drive.view().phase, "dead");
      drive.offer("h-1", GOOD_1);
      drive.advance(60_000);
    },
    want: [
      "@0",
      `description; health false; effective empty; status FAILED h-bad "${SYNTAX}"; packages; components hash`,
    ],
  },
  {
    name: "an unknown component on disk crash-loops after a restart, still FAILED",
    watchMs: 0,
    act: (drive) => {
      drive.offer("h-bad", BAD_COMPONENT);
      drive.advance(100);
      drive.forget();
      drive.input({ kind: "killed" });
      drive.restart();
      drive.advance(5100);
    },
    want: [
      "@100",
      `description; health false; effective empty; status FAILED h-bad "${CRASH_FAILED}"; packages; components hash`,
      ...crash(115),
      ...crash(5130),
    ],
  },
  {
    name: "a stopped Collector stays stopped across restarts",
    act: (drive) => {
      drive.offer("h-none", []);
      drive.forget();
      drive.input({ kind: "killed" });
      drive.restart();
      assert.equal(drive.view().collector, "stopped");
    },
    want: ["@0", "description; health false; effective base; status APPLIED h-none; packages; components hash"],
  },
  {
    name: "ReportFullState is answered at once, components in full",
    act: (drive) => drive.receive({ flags: 1n }),
    want: ["@0", "description; health true StatusOK; effective good-1; status APPLIED h-1; packages; components full"],
  },
  {
    name: "ReportAvailableComponents is answered with the components alone",
    act: (drive) => drive.receive({ flags: 2n }),
    want: ["@0", "components full"],
  },
  {
    name: "an error response is ignored",
    act: (drive) => drive.receive({ errorResponse: { type: 2, errorMessage: "busy" } }),
    want: [],
  },
  {
    name: "a heartbeat every 30 s, put off by other messages",
    watchMs: 0,
    act: (drive) => {
      drive.advance(20_000);
      drive.input({ kind: "health", health: { healthy: true, status: "StatusOK", lastError: "" } });
      drive.advance(61_000);
    },
    want: ["@20000", "health true StatusOK", "@50000", "(nothing)", "@80000", "(nothing)"],
  },
  {
    name: "a new uid is taken over at once, the Collector restarts, and it survives a restart",
    act: (drive) => {
      drive.receive({ agentIdentification: { newInstanceUid: new Uint8Array(16).fill(7) } });
      drive.advance(100);
      drive.input({ kind: "killed" });
      drive.restart();
      assert.equal(drive.view().uid, "07070707-0707-0707-0707-070707070707");
    },
    want: [
      "@0",
      "description",
      "effective good-1",
      "health false StatusStopping",
      ...up(45, "good-1"),
      "@100",
      "description; health false; effective empty; status APPLIED h-1; packages; components hash",
      ...up(145, "good-1"),
    ],
  },
  {
    name: "connection settings with an endpoint: goodbye, then a new client that counts from 0 and calls itself unhealthy",
    watchMs: 0,
    act: (drive) => {
      const offered = {
        connectionSettings: { opamp: { destinationEndpoint: "ws://b/v1/opamp", heartbeatIntervalSeconds: 5n } },
      };
      drive.receive(offered);
      assert.deepEqual(drive.moves(), ["ws://b/v1/opamp"]);
      drive.input({ kind: "connected" });
      drive.advance(5000);
      drive.receive(offered);
      assert.deepEqual(drive.moves(), ["ws://b/v1/opamp", "ws://b/v1/opamp"], "the same offer moves again");
    },
    want: [
      "@0",
      "disconnect",
      "description; health false; effective good-1; status APPLIED h-1; packages; components hash",
      "@5000",
      "(nothing)",
      "disconnect",
    ],
  },
  {
    name: "connection settings without an endpoint: only the heartbeat is used",
    watchMs: 0,
    act: (drive) => {
      drive.receive({ connectionSettings: { opamp: { heartbeatIntervalSeconds: 5n } } });
      drive.advance(10_000);
    },
    want: ["@5000", "(nothing)", "@10000", "(nothing)"],
  },
  {
    name: "an extension reports but accepts nothing: no config, no restart, no connection settings",
    options: { profile: "extension" },
    fresh: true,
    act: (drive) => {
      drive.fresh();
      drive.advance(100);
      drive.offer("h-1", GOOD_1);
      drive.receive({ command: {}, connectionSettings: { opamp: { destinationEndpoint: "ws://b/v1/opamp" } } });
      drive.receive({ connectionSettings: { ownMetrics: { destinationEndpoint: "http://m/v1/metrics" } } });
      assert.deepEqual(drive.moves(), []);
    },
    want: [
      "@0",
      'description; health false; effective empty; status UNSET ""; packages; components hash',
      ...up(45, "base"),
    ],
  },
  {
    name: "own metrics: the Collector restarts with more effective config; the same again changes nothing",
    act: (drive) => {
      drive.receive({ connectionSettings: { ownMetrics: { destinationEndpoint: "http://m/v1/metrics" } } });
      drive.advance(8000);
      drive.receive({ connectionSettings: { ownMetrics: { destinationEndpoint: "http://m/v1/metrics" } } });
    },
    want: ["@0", "effective good-1", "health false StatusStopping", ...up(45, "good-1")],
  },
];

observe("an agent", CONNECTION);

describe("an agent with a temporary uid", () => {
  it("asks for a lasting one in its first and full reports until it gets one", () => {
    const drive = createDrive({ requestsUid: true });
    drive.fresh();
    drive.advance(100);
    drive.receive({ flags: 1n });
    assert.deepEqual(drive.flags(), [1n, 0n, 0n, 0n, 1n]);
    drive.receive({ agentIdentification: { newInstanceUid: new Uint8Array(16).fill(7) } });
    drive.forget();
    drive.receive({ flags: 1n });
    drive.input({ kind: "killed" });
    drive.restart();
    assert.ok(drive.flags().every((flags) => flags === 0n));
  });
});

describe("supervisor over a half-duplex link", () => {
  it("gathers changes while a request is on the way and sends one message with the newest of each", () => {
    const drive = createDrive({}, true);
    drive.fresh();
    drive.advance(100);
    assert.deepEqual(drive.told().slice(1), [], "the first request is not answered yet");
    drive.input({ kind: "answered" });
    assert.deepEqual(drive.told().slice(1), ["health true StatusOK; effective base"]);
  });

  it("polls when nothing happens, one poll at a time", () => {
    const drive = createDrive({ heartbeatMs: 1000 }, true);
    drive.fresh();
    drive.input({ kind: "answered" });
    drive.advance(500);
    drive.input({ kind: "answered" });
    drive.input({ kind: "answered" });
    drive.forget();
    drive.advance(5000);
    assert.deepEqual(drive.told(), ["(nothing)"], "the poll was never answered");
    drive.input({ kind: "answered" });
    drive.advance(1000);
    assert.equal(drive.told().length, 2);
  });

  it("leaves without agent_disconnect, as clients in the field do, unless told to", () => {
    for (const disconnectsOverHttp of [false, true]) {
      const drive = createDrive({ disconnectsOverHttp }, true);
      drive.settle("h-1", GOOD_1);
      drive.input({ kind: "stopping" });
      assert.equal(drive.told().at(-1)?.includes("disconnect"), disconnectsOverHttp);
    }
  });
});
