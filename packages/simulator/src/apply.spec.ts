// Applying a config, against what was observed on real supervisors: one case per observation, time is virtual.

import assert from "node:assert/strict";
import { BAD_COMPONENT, BAD_PORT, BAD_SYNTAX, GOOD_1, GOOD_2, SLOW, SPLIT } from "./drive.ts";
import type { Observation } from "./observation.ts";
import { begin, crash, crashAndFail, observe, offer, SYNTAX, up } from "./observation.ts";

const APPLYING: readonly Observation[] = [
  {
    name: "a good config: APPLYING at once, healthy 45 ms later, APPLIED after the apply timeout",
    act: offer("h-2", GOOD_2),
    want: [...begin("h-2"), ...up(45, "good-2"), "@5000", "status APPLIED h-2"],
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
      ...begin("h-a"),
      "effective good-1; status APPLYING h-b",
      "effective good-1; status APPLYING h-c",
      ...up(45, "good-2"),
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
    want: [...begin("h-bad"), ...crashAndFail("h-bad"), ...crash(5030), ...crash(10045)],
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
    want: [...begin("h-bad"), ...crashAndFail("h-bad"), "@100", "status APPLIED h-bad", "status APPLIED h-bad-2"],
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
    want: ["@100", "effective good-1; status APPLYING h-1", ...up(145, "good-1"), "@5100", "status APPLIED h-1"],
  },
  {
    name: "a port that is taken: as an unknown component",
    watchMs: 0,
    act: (drive) => {
      drive.offer("h-bad", BAD_PORT);
      drive.advance(100);
    },
    want: [...begin("h-bad"), ...crashAndFail("h-bad")],
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
    want: [...begin("h-bad"), ...crashAndFail("h-bad")],
  },
  {
    name: "an empty config map: APPLYING, APPLIED, healthy, and the Collector is stopped",
    act: offer("h-none", []),
    want: [...begin("h-none"), "effective good-1", "health true; status APPLIED h-none"],
    after: (drive) => assert.equal(drive.view().collector, "stopped"),
  },
  {
    name: "a hash without config: as an empty config map",
    act: offer("h-only", undefined),
    want: [...begin("h-only"), "effective good-1", "health true; status APPLIED h-only"],
  },
  {
    name: "a good config after an empty map: it starts again",
    act: (drive) => {
      drive.offer("h-none", []);
      drive.forget();
      drive.offer("h-again", GOOD_1);
    },
    want: ["@0", "effective good-1; status APPLYING h-again", ...up(45, "good-1"), "@5000", "status APPLIED h-again"],
  },
  {
    name: "one file of zero bytes: the base config runs",
    act: offer("h-zero", [["a.yaml", ""]]),
    want: [...begin("h-zero"), ...up(45, "base"), "@5000", "status APPLIED h-zero"],
  },
  {
    name: "an empty hash: the config runs and no status is ever sent",
    act: offer("", GOOD_2),
    want: ["@0", "effective good-1", "health false StatusStopping", ...up(45, "good-2")],
  },
  {
    name: "several files: byte order, and the empty name last and stronger",
    act: offer("h-m", [
      ["", marker("empty-name")],
      ["b.yaml", marker("b")],
      ["Z.yaml", marker("Z")],
      ["a.yaml", marker("a")],
    ]),
    want: [...begin("h-m"), ...up(45, "empty-name"), "@5000", "status APPLIED h-m"],
  },
  {
    name: "a config too slow to start: FAILED after the apply timeout, healthy later",
    act: (drive) => {
      drive.offer("h-slow", SLOW);
      drive.advance(8000);
    },
    want: [...begin("h-slow"), "@5000", 'status FAILED h-slow "Config apply timeout exceeded"', ...up(7000, "slow")],
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
      ...up(5045, "good-1"),
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
      ...up(7045, "good-2"),
      "@17000",
      "status APPLIED h-2",
    ],
  },
  {
    name: "a restart command: no status, health false then true, and the rest of the message is dropped",
    act: (drive) => drive.receive({ command: {}, remoteConfig: { configHash: Buffer.from("h-x"), config: {} } }),
    want: ["@0", "health false StatusStopping", ...up(45, "good-1")],
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
    want: [...crash(2015), ...crash(7030)],
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
    want: ["@0", "effective good-1", "health false StatusStopping", ...up(45, "good-2")],
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
    want: [...begin("h-bad"), ...crashAndFail("h-bad"), ...up(60, "good-1"), "@5015", "status APPLIED h-1"],
    after: (drive) => {
      assert.equal(drive.view().running.hash, "h-1");
      drive.forget();
      drive.restart();
      assert.match(drive.told()[0] ?? "", /status FAILED h-bad/, "the rollback is not written down");
    },
  },
];

observe("applying a config", APPLYING);

function marker(text: string): string {
  return `service:\n  telemetry:\n    resource:\n      marker: ${text}\n`;
}
