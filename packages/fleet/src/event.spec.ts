import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHash, aUid } from "./builders.ts";
import { type AgentEvent, coalesce, isEventKind } from "./event.ts";
import { parseGatewayId } from "./ids.ts";

const at = (epoch: number, n: number) => ({ uid: aUid(), epoch, n, atMs: epoch * 1000 + n });
const connected = (epoch: number, n: number): AgentEvent => ({
  kind: "agent.connected",
  ...at(epoch, n),
  gateway: parseGatewayId("gw-1"),
  transport: "websocket",
  remoteAddress: "",
});
const healthy = (epoch: number, n: number, isHealthy: boolean): AgentEvent => ({
  kind: "agent.health-changed",
  ...at(epoch, n),
  health: {
    healthy: isHealthy,
    status: "",
    lastError: "",
    startTimeUnixNano: "0",
    statusTimeUnixNano: "0",
    components: [],
  },
});
const acked = (epoch: number, n: number, state: "applied" | "failed", hash = aHash()): AgentEvent => ({
  kind: "agent.config-acknowledged",
  ...at(epoch, n),
  hash,
  state,
  error: "",
});

describe("coalesce", () => {
  it("keeps the newest snapshot of each kind", () => {
    const waiting = [healthy(1, 1, false), connected(1, 2), healthy(1, 3, true)].reduce<readonly AgentEvent[]>(
      coalesce,
      [],
    );
    assert.deepEqual(
      waiting.map((e) => [e.kind, e.n]),
      [
        ["agent.connected", 2],
        ["agent.health-changed", 3],
      ],
    );
  });

  it("keeps FAILED(new) when APPLIED(old) follows: both must arrive", () => {
    const waiting = [acked(1, 1, "failed", aHash("b")), acked(1, 2, "applied", aHash("a"))].reduce<
      readonly AgentEvent[]
    >(coalesce, []);
    assert.equal(waiting.length, 2);
  });

  it("stays bounded however many hashes are reported", () => {
    let waiting: readonly AgentEvent[] = [];
    for (let i = 1; i <= 100; i++) waiting = coalesce(waiting, acked(1, i, "failed", aHash((i % 16).toString(16))));
    assert.ok(waiting.length <= 8);
    assert.equal(waiting.at(-1)?.n, 100);
  });

  const unrecognized = (n: number, part: string): AgentEvent => ({
    kind: "agent.unrecognized-reported",
    ...at(1, n),
    part,
    body: null,
  });
  const settings = (n: number, of: "connection" | "packages"): AgentEvent => ({
    kind: "agent.settings-offered",
    ...at(1, n),
    of,
    settings: `${n}`,
  });
  const action = (n: number, actionId: string): AgentEvent => ({
    kind: "agent.action-sent",
    ...at(1, n),
    actionId,
    action: "restart",
  });
  const message = (n: number): AgentEvent => ({
    kind: "agent.custom-message-received",
    ...at(1, n),
    capability: "c",
    type: "t",
    body: null,
    sizeBytes: 0,
  });
  const components = (n: number): AgentEvent => ({
    kind: "agent.components-reported",
    ...at(1, n),
    inventory: `${n}`,
    address: "b",
  });
  const subjects: readonly (readonly [name: string, events: readonly AgentEvent[], kept: readonly number[]])[] = [
    ["parts by their name", [unrecognized(1, "a"), unrecognized(2, "b"), unrecognized(3, "a")], [2, 3]],
    ["offers by their kind", [settings(1, "packages"), settings(2, "connection"), settings(3, "packages")], [2, 3]],
    ["actions by their id", [action(1, "x"), action(2, "y"), action(3, "x")], [2, 3]],
    ["every custom message", [message(1), message(2), message(2)], [1, 2]],
    ["one inventory", [components(1), components(2)], [2]],
    [
      "no more custom messages than a few",
      Array.from({ length: 20 }, (_, i) => message(i + 1)),
      [13, 14, 15, 16, 17, 18, 19, 20],
    ],
  ];
  for (const [name, events, kept] of subjects) {
    it(`keeps ${name}`, () => {
      const waiting = events.reduce<readonly AgentEvent[]>(coalesce, []);
      assert.deepEqual(
        waiting.map(({ n }) => n),
        kept,
      );
    });
  }
});

describe("isEventKind", () => {
  const kinds: readonly (readonly [kind: unknown, isKnown: boolean])[] = [
    ["agent.connected", true],
    ["agent.renamed", true],
    ["agent.invented-later", false],
    ["toString", false],
    [7, false],
  ];
  for (const [kind, isKnown] of kinds) it(`${kind} is ${isKnown}`, () => assert.equal(isEventKind(kind), isKnown));
});
