// The state machine against what was observed on real supervisors: one case per observation, time is virtual.
//
// A transcript line is one message: its sequence number and the fields it carries. `effective` names the marker
// in the effective config, `base` for a config without one, `empty` for none at all.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Drive, OfferedFiles } from "./drive.ts";
import { BAD_COMPONENT, BAD_PORT, BAD_SYNTAX, createDrive, GOOD_1, GOOD_2, SLOW, SPLIT } from "./drive.ts";
import type { BehaviourOptions } from "./profile.ts";

const CRASHED = "Agent process exited unexpectedly, exit code=1. Will restart in a bit...";
const CRASH_FAILED = "Agent exited unexpectedly with exit code 1 while applying configuration";
const SYNTAX = "yaml: line 3: Flow map in block collection must be sufficiently indented and end with a }";

const FIRST_UP = ["health false StatusStarting", "effective good-1", "health true StatusOK"];

interface Case {
  readonly name: string;
  readonly options?: BehaviourOptions;
  /** What is done; the config good-1 (hash h-1) has been applied before unless `fresh`. */
  readonly act: (drive: Drive) => void;
  readonly fresh?: true;
  /** How long to listen after the act; default 6000, past one apply timeout. */
  readonly watchMs?: number;
  /** Messages since the act, without sequence numbers; `@<ms>` lines give the time at which the next ones came. */
  readonly want: readonly string[];
  readonly after?: (drive: Drive) => void;
}

const offer = (hash: string, files: OfferedFiles) => (drive: Drive) => drive.offer(hash, files);

const APPLYING: readonly Case[] = [
  {
    name: "a good config: APPLYING at once, healthy 45 ms later, APPLIED after the apply timeout",
    act: offer("h-2", GOOD_2),
    want: [
      "@0",
      "effective good-1; status APPLYING h-2",
      "health false StatusStopping",
      "@45",
      "health false StatusStarting",
      "effective good-2",
      "health true StatusOK",
      "@5000",
      "status APPLIED h-2",
    ],
    after: (drive) => assert.deepEqual(drive.view().running, { hash: "h-2", files: ["a.yaml"] }),
  },
  { name: "the same hash again: no answer", act: offer("h-1", GOOD_1), want: [] },
  {
    name: "the same content under a new hash: APPLIED at once",
    act: offer("h-new", GOOD_1),
    want: ["@0", "status APPLIED h-new"],
  },
  {
    name: "the same content in other files: APPLIED at once",
    act: offer("h-split", SPLIT),
    want: ["@0", "status APPLIED h-split"],
  },
  {
    name: "three offers within milliseconds: APPLYING for each, APPLIED for the last",
    act: (drive) => {
      drive.offer("h-a", GOOD_2);
      drive.offer("h-b", GOOD_1);
      drive.offer("h-c", GOOD_2);
    },
    want: [
      "@0",
      "effective good-1; status APPLYING h-a",
      "health false StatusStopping",
      "effective good-1; status APPLYING h-b",
      "effective good-1; status APPLYING h-c",
      "@45",
      "health false StatusStarting",
      "effective good-2",
      "health true StatusOK",
      "@5000",
      "status APPLIED h-c",
    ],
  },
  {
    name: "invalid YAML: FAILED at once, no APPLYING, the old Collector runs on, the bad config is on disk",
    act: offer("h-bad", BAD_SYNTAX),
    want: ["@0", `status FAILED h-bad "${SYNTAX}"`],
    after: (drive) => {
      assert.equal(drive.view().collector, "running");
      assert.equal(drive.view().running.hash, "h-1");
      assert.equal(drive.stored(), "h-bad");
    },
  },
  {
    name: "the same invalid YAML again: no answer for the same hash, FAILED for a new one",
    act: (drive) => {
      drive.offer("h-bad", BAD_SYNTAX);
      drive.offer("h-bad", BAD_SYNTAX);
      drive.offer("h-bad-2", BAD_SYNTAX);
    },
    want: ["@0", `status FAILED h-bad "${SYNTAX}"`, `status FAILED h-bad-2 "${SYNTAX}"`],
  },
  {
    name: "back from invalid YAML to the earlier config: APPLIED at once",
    act: (drive) => {
      drive.offer("h-bad", BAD_SYNTAX);
      drive.offer("h-1", GOOD_1);
    },
    want: ["@0", `status FAILED h-bad "${SYNTAX}"`, "status APPLIED h-1"],
    after: (drive) => assert.equal(drive.stored(), "h-1"),
  },
  {
    name: "an unknown component: APPLYING, FAILED within 30 ms, then a crash every 5 s for ever",
    watchMs: 0,
    act: (drive) => {
      drive.offer("h-bad", BAD_COMPONENT);
      drive.advance(11_000);
    },
    want: [
      "@0",
      "effective good-1; status APPLYING h-bad",
      "health false StatusStopping",
      "@15",
      `health false "${CRASHED}"`,
      `status FAILED h-bad "${CRASH_FAILED}"`,
      "@5030",
      `health false "${CRASHED}"`,
      "@10045",
      `health false "${CRASHED}"`,
    ],
  },
  {
    name: "the failed config again while it crash-loops, same hash or new: APPLIED at once, still unhealthy",
    watchMs: 0,
    act: (drive) => {
      drive.offer("h-bad", BAD_COMPONENT);
      drive.advance(100);
      drive.offer("h-bad", BAD_COMPONENT);
      drive.offer("h-bad-2", BAD_COMPONENT);
    },
    want: [
      "@0",
      "effective good-1; status APPLYING h-bad",
      "health false StatusStopping",
      "@15",
      `health false "${CRASHED}"`,
      `status FAILED h-bad "${CRASH_FAILED}"`,
      "@100",
      "status APPLIED h-bad",
      "status APPLIED h-bad-2",
    ],
    after: (drive) => assert.equal(drive.view().health.healthy, false),
  },
  {
    name: "back from a crash loop to the earlier config: APPLYING, healthy in 45 ms, APPLIED 5 s later",
    act: (drive) => {
      drive.offer("h-bad", BAD_COMPONENT);
      drive.advance(100);
      drive.forget();
      drive.offer("h-1", GOOD_1);
    },
    want: ["@100", "effective good-1; status APPLYING h-1", "@145", ...FIRST_UP, "@5100", "status APPLIED h-1"],
  },
  {
    name: "a port that is taken: as an unknown component",
    watchMs: 0,
    act: (drive) => {
      drive.offer("h-bad", BAD_PORT);
      drive.advance(100);
    },
    want: [
      "@0",
      "effective good-1; status APPLYING h-bad",
      "health false StatusStopping",
      "@15",
      `health false "${CRASHED}"`,
      `status FAILED h-bad "${CRASH_FAILED}"`,
    ],
  },
  {
    name: "validate_config: FAILED with the validator's sentence, the old Collector runs on",
    options: { validates: true },
    act: offer("h-bad", BAD_COMPONENT),
    want: [
      "@0",
      `status FAILED h-bad "configuration validation failed: 'exporters' unknown type: "kafka" for id: "kafka/x""`,
    ],
    after: (drive) => assert.equal(drive.view().collector, "running"),
  },
  {
    name: "validate_config does not see a port that is taken",
    watchMs: 0,
    options: { validates: true },
    act: (drive) => {
      drive.offer("h-bad", BAD_PORT);
      drive.advance(100);
    },
    want: [
      "@0",
      "effective good-1; status APPLYING h-bad",
      "health false StatusStopping",
      "@15",
      `health false "${CRASHED}"`,
      `status FAILED h-bad "${CRASH_FAILED}"`,
    ],
  },
  {
    name: "an empty config map: APPLYING, APPLIED, healthy, and the Collector is stopped",
    act: offer("h-none", []),
    want: [
      "@0",
      "effective good-1; status APPLYING h-none",
      "health false StatusStopping",
      "effective good-1",
      "health true; status APPLIED h-none",
    ],
    after: (drive) => assert.equal(drive.view().collector, "stopped"),
  },
  {
    name: "a hash without config: as an empty config map",
    act: offer("h-only", undefined),
    want: [
      "@0",
      "effective good-1; status APPLYING h-only",
      "health false StatusStopping",
      "effective good-1",
      "health true; status APPLIED h-only",
    ],
  },
  {
    name: "a good config after an empty map: it starts again",
    act: (drive) => {
      drive.offer("h-none", []);
      drive.forget();
      drive.offer("h-again", GOOD_1);
    },
    want: ["@0", "effective good-1; status APPLYING h-again", "@45", ...FIRST_UP, "@5000", "status APPLIED h-again"],
  },
  {
    name: "one file of zero bytes: the base config runs",
    act: offer("h-zero", [["a.yaml", ""]]),
    want: [
      "@0",
      "effective good-1; status APPLYING h-zero",
      "health false StatusStopping",
      "@45",
      "health false StatusStarting",
      "effective base",
      "health true StatusOK",
      "@5000",
      "status APPLIED h-zero",
    ],
  },
  {
    name: "an empty hash: the config runs and no status is ever sent",
    act: offer("", GOOD_2),
    want: [
      "@0",
      "effective good-1",
      "health false StatusStopping",
      "@45",
      "health false StatusStarting",
      "effective good-2",
      "health true StatusOK",
    ],
  },
  {
    name: "several files: byte order, and the empty name last and stronger",
    act: offer("h-m", [
      ["", marker("empty-name")],
      ["b.yaml", marker("b")],
      ["Z.yaml", marker("Z")],
      ["a.yaml", marker("a")],
    ]),
    want: [
      "@0",
      "effective good-1; status APPLYING h-m",
      "health false StatusStopping",
      "@45",
      "health false StatusStarting",
      "effective empty-name",
      "health true StatusOK",
      "@5000",
      "status APPLIED h-m",
    ],
  },
  {
    name: "a config too slow to start: FAILED after the apply timeout, healthy later",
    act: (drive) => {
      drive.offer("h-slow", SLOW);
      drive.advance(8000);
    },
    want: [
      "@0",
      "effective good-1; status APPLYING h-slow",
      "health false StatusStopping",
      "@5000",
      'status FAILED h-slow "Config apply timeout exceeded"',
      "@7000",
      "health false StatusStarting",
      "effective slow",
      "health true StatusOK",
    ],
  },
  {
    name: "the Collector is killed outside an apply: unhealthy, healthy again 5 s later",
    act: (drive) => {
      drive.input({ kind: "collector-killed", exitCode: -1 });
      drive.advance(6000);
    },
    want: [
      "@0",
      'health false "Agent process exited unexpectedly, exit code=-1. Will restart in a bit..."',
      "@5045",
      ...FIRST_UP,
    ],
  },
  {
    name: "the Collector is killed while APPLYING: FAILED, then healthy with it; the same offer again is APPLIED",
    act: (drive) => {
      drive.offer("h-2", GOOD_2);
      drive.advance(2000);
      drive.forget();
      drive.input({ kind: "collector-killed", exitCode: -1 });
      drive.advance(15_000);
      drive.offer("h-2", GOOD_2);
    },
    want: [
      "@2000",
      'health false "Agent process exited unexpectedly, exit code=-1. Will restart in a bit..."',
      'status FAILED h-2 "Agent exited unexpectedly with exit code -1 while applying configuration"',
      "@7045",
      "health false StatusStarting",
      "effective good-2",
      "health true StatusOK",
      "@17000",
      "status APPLIED h-2",
    ],
  },
  {
    name: "a restart command: no status, health false then true, and the rest of the message is dropped",
    act: (drive) => drive.receive({ command: {}, remoteConfig: { configHash: Buffer.from("h-x"), config: {} } }),
    want: ["@0", "health false StatusStopping", "@45", ...FIRST_UP],
  },
  {
    name: "a restart command in a crash loop changes nothing",
    watchMs: 0,
    act: (drive) => {
      drive.offer("h-bad", BAD_COMPONENT);
      drive.advance(2000);
      drive.forget();
      drive.receive({ command: {} });
      drive.advance(5100);
    },
    want: ["@2015", `health false "${CRASHED}"`, "@7030", `health false "${CRASHED}"`],
  },
  {
    name: "a restart command while stopped starts the Collector on its base config alone",
    act: (drive) => {
      drive.offer("h-none", []);
      drive.forget();
      drive.receive({ command: {} });
    },
    want: ["@45", "health false StatusStarting", "effective base", "health true StatusOK"],
  },
  {
    name: "reports_remote_config off: only health and effective config",
    options: { reportsRemoteConfig: false },
    act: offer("h-2", GOOD_2),
    want: [
      "@0",
      "effective good-1",
      "health false StatusStopping",
      "@45",
      "health false StatusStarting",
      "effective good-2",
      "health true StatusOK",
    ],
  },
  {
    name: "without AcceptsRemoteConfig an offer is dropped",
    options: { dropCapabilities: ["AcceptsRemoteConfig"] },
    fresh: true,
    act: offer("h-1", GOOD_1),
    want: [],
  },
  {
    name: "automatic rollback: APPLYING(B), FAILED(B), and APPLIED(A) once A runs again",
    options: { profile: "supervisor-rollback" },
    act: (drive) => {
      drive.offer("h-bad", BAD_COMPONENT);
      drive.advance(100);
    },
    want: [
      "@0",
      "effective good-1; status APPLYING h-bad",
      "health false StatusStopping",
      "@15",
      `health false "${CRASHED}"`,
      `status FAILED h-bad "${CRASH_FAILED}"`,
      "@60",
      ...FIRST_UP,
      "@5015",
      "status APPLIED h-1",
    ],
    after: (drive) => {
      assert.equal(drive.view().running.hash, "h-1");
      drive.forget();
      drive.restart();
      assert.match(drive.told()[0] ?? "", /status FAILED h-bad/, "the rollback is not written down");
    },
  },
];

const CONNECTION: readonly Case[] = [
  {
    name: "the first connection tells everything, components as a hash only",
    fresh: true,
    act: (drive) => drive.fresh(),
    want: [
      "@0",
      'description; health false; effective empty; status UNSET ""; packages; components hash',
      "@45",
      "health false StatusStarting",
      "effective base",
      "health true StatusOK",
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
      "@45",
      ...FIRST_UP,
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
      "@2045",
      "health false StatusStarting",
      "effective good-2",
      "health true StatusOK",
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
      "@115",
      `health false "${CRASHED}"`,
      "@5130",
      `health false "${CRASHED}"`,
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
      "@45",
      ...FIRST_UP,
      "@100",
      "description; health false; effective empty; status APPLIED h-1; packages; components hash",
      "@145",
      ...FIRST_UP,
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
      "@45",
      "health false StatusStarting",
      "effective base",
      "health true StatusOK",
    ],
  },
  {
    name: "own metrics: the Collector restarts with more effective config; the same again changes nothing",
    act: (drive) => {
      drive.receive({ connectionSettings: { ownMetrics: { destinationEndpoint: "http://m/v1/metrics" } } });
      drive.advance(8000);
      drive.receive({ connectionSettings: { ownMetrics: { destinationEndpoint: "http://m/v1/metrics" } } });
    },
    want: ["@0", "effective good-1", "health false StatusStopping", "@45", ...FIRST_UP],
  },
];

describe("supervisor", () => {
  for (const [topic, cases] of [
    ["applying a config", APPLYING],
    ["connection", CONNECTION],
  ] as const) {
    describe(topic, () => {
      for (const c of cases) {
        it(c.name, () => {
          const drive = createDrive(c.options ?? {});
          if (c.fresh) drive.forget();
          else drive.settle("h-1", GOOD_1);
          c.act(drive);
          drive.advance(c.watchMs ?? 6000);
          assert.deepEqual(drive.transcript(), c.want);
          c.after?.(drive);
        });
      }
    });
  }
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

function marker(text: string): string {
  return `service:\n  telemetry:\n    resource:\n      marker: ${text}\n`;
}
