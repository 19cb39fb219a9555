import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { apply } from "./agent.ts";
import { aHash, aUid } from "./builders.ts";
import type { AgentEvent, Health } from "./event.ts";
import { happenings } from "./history.ts";
import { parseGatewayId } from "./ids.ts";
import { type AgentView, unknownAgent } from "./view.ts";

const uid = aUid();
let n = 0;
const at = () => ({ uid, epoch: 1, n: ++n, atMs: 1_000 * n });
const connected = (gateway = "gw"): AgentEvent => {
  return { kind: "agent.connected", ...at(), gateway: parseGatewayId(gateway), transport: "http", remoteAddress: "" };
};
const disconnected = (): AgentEvent => ({ kind: "agent.disconnected", ...at(), reason: "silent" });
const health = (healthy: boolean, start = "1", lastError = ""): AgentEvent => {
  const times = { startTimeUnixNano: start, statusTimeUnixNano: "0" };
  const value: Health = { healthy, status: "", lastError, ...times, components: [] };
  return { kind: "agent.health-changed", ...at(), health: value };
};
const answered = (state: "applied" | "failed" | "applying" | "unset", error = ""): AgentEvent => {
  return { kind: "agent.config-acknowledged", ...at(), hash: aHash(), state, error };
};

/** What happened, as words, and the view after it. */
function tell(events: readonly AgentEvent[]): readonly [string[], AgentView] {
  let view = unknownAgent(uid, 0);
  const told: string[] = [];
  for (const event of events) {
    const next = apply(view, event);
    told.push(
      ...happenings(view, event, next).map(({ kind, reason, hash, message }) =>
        [kind, reason, hash, message].filter(Boolean).join(" "),
      ),
    );
    view = next;
  }
  return [told, view];
}

describe("what happened to an agent", () => {
  const cases: readonly { name: string; events: () => readonly AgentEvent[]; is: readonly string[] }[] = [
    {
      name: "nothing, where it came and is well",
      events: () => [connected(), health(true), health(true), answered("unset")],
      is: [],
    },
    { name: "that it came ill", events: () => [health(false, "1", "no\nspace")], is: ["unhealthy no space"] },
    {
      name: "that it went and came back",
      events: () => [connected(), disconnected(), disconnected(), connected("gw-2")],
      is: ["disconnected silent", "connected gw-2"],
    },
    { name: "nothing of one that was never there", events: () => [disconnected()], is: [] },
    {
      name: "when it became ill and well",
      events: () => [health(true), health(false, "1", "x"), health(false, "1", "y"), health(true)],
      is: ["unhealthy x", "healthy"],
    },
    {
      name: "that it started again",
      events: () => [health(true, "1"), health(true, "2"), health(true, "2")],
      is: ["restarted"],
    },
    {
      name: "what it says of configs, once each",
      events: () => [
        answered("applying"),
        answered("failed", "no port"),
        answered("failed", "no port"),
        answered("applied"),
      ],
      is: [`config_answered failed ${"a".repeat(12)} no port`, `config_answered applied ${"a".repeat(12)}`],
    },
    { name: "nothing, where it came with a config", events: () => [answered("applied"), answered("applied")], is: [] },
    {
      name: "that it came and could not",
      events: () => [answered("failed")],
      is: [`config_answered failed ${"a".repeat(12)}`],
    },
    {
      name: "that it was another before",
      events: () => [{ kind: "agent.renamed", ...at(), from: aUid(2) }],
      is: [`renamed ${aUid(2)}`],
    },
  ];
  for (const { name, events, is } of cases) it(`is ${name}`, () => assert.deepEqual(tell(events())[0], is));

  it("is told once, however often it is reported", () => {
    const events = [connected(), disconnected(), connected(), health(false), health(true, "2"), answered("applied")];
    const [once] = tell(events);
    assert.deepEqual(tell([...events, ...events])[0], once);
  });

  it("says no more than a line of what an agent says", () => {
    const [[line = ""]] = tell([health(false, "1", "x".repeat(500))]);
    assert.equal(line.length, "unhealthy ".length + 120);
  });
});

describe("restarts", () => {
  const starts: readonly { name: string; times: readonly string[]; restarts: number | null }[] = [
    { name: "none of one that started once", times: ["5", "5"], restarts: null },
    { name: "one by a later start", times: ["5", "7"], restarts: 1 },
    { name: "one although it did not run in between", times: ["5", "0", "0", "7"], restarts: 1 },
    { name: "none yet while it does not run", times: ["5", "0"], restarts: 0 },
    { name: "none by an earlier start, as of a clock that was set", times: ["7", "5"], restarts: null },
    { name: "none of one whose start was never known", times: ["0", "7"], restarts: null },
    { name: "several", times: ["5", "7", "0", "9", "11"], restarts: 3 },
    { name: "by all digits of nanoseconds", times: ["1795375278351000001", "1795375278351000002"], restarts: 1 },
  ];
  for (const { name, times, restarts } of starts) {
    it(`are counted: ${name}`, () => {
      const [, { runs }] = tell(times.map((time) => health(true, time)));
      assert.equal(runs === null ? null : runs.restarts, restarts);
    });
  }
});
