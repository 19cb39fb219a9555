import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { apply } from "./agent.ts";
import { MAX_ATTEMPTS } from "./attempt.ts";
import { aHash, aUid } from "./builders.ts";
import { type AgentEvent, coalesce } from "./event.ts";
import { factsOf, isConnected, labelsOf } from "./facts.ts";
import { parseGatewayId } from "./ids.ts";
import { type AgentView, unknownAgent } from "./view.ts";

const uid = aUid();
const gateway = parseGatewayId("gw-1");
const health = {
  healthy: true,
  status: "",
  lastError: "",
  startTimeUnixNano: "0",
  statusTimeUnixNano: "0",
  components: [],
};

const at = (epoch: number, n: number) => ({ uid, epoch, n, atMs: epoch * 1000 + n });
const connected = (epoch: number, n: number): AgentEvent => ({
  kind: "agent.connected",
  ...at(epoch, n),
  gateway,
  transport: "websocket",
  remoteAddress: "",
});
const disconnected = (epoch: number, n: number): AgentEvent => ({
  kind: "agent.disconnected",
  ...at(epoch, n),
  reason: "closed",
});
const healthy = (epoch: number, n: number, isHealthy: boolean): AgentEvent => ({
  kind: "agent.health-changed",
  ...at(epoch, n),
  health: { ...health, healthy: isHealthy },
});
const offered = (epoch: number, n: number, hash = aHash()): AgentEvent => ({
  kind: "agent.config-offered",
  ...at(epoch, n),
  hash,
});
const acked = (epoch: number, n: number, state: "applied" | "failed", hash = aHash()): AgentEvent => ({
  kind: "agent.config-acknowledged",
  ...at(epoch, n),
  hash,
  state,
  error: "",
});

function fold(events: readonly AgentEvent[]): AgentView {
  return events.reduce(apply, unknownAgent(uid, 0));
}

describe("agent view", () => {
  it("changes nothing for a repeated event, down to identity", () => {
    const events = [connected(1, 1), healthy(1, 2, true), offered(1, 3), acked(1, 4, "applied")];
    const once = fold(events);
    assert.equal(events.reduce(apply, once), once);
  });

  it("ignores the goodbye of a session that a newer one replaced", () => {
    assert.ok(isConnected(fold([connected(2, 1), disconnected(1, 9)])));
  });

  it("takes a facet that only the older session knew, though the newer session's came first", () => {
    assert.equal(fold([connected(2, 1), healthy(1, 9, false)]).health?.value.healthy, false);
  });

  it("keeps where a session was when it ends", () => {
    const view = fold([connected(1, 1), disconnected(1, 2)]);
    assert.equal(view.connection?.value.gateway, gateway);
    assert.equal(factsOf(view).get("connected"), "false");
  });

  it("reaches the same view in any order of arrival", () => {
    const events = [
      connected(1, 1),
      healthy(1, 2, true),
      healthy(1, 3, false),
      offered(1, 4),
      acked(1, 5, "failed"),
      connected(2, 1),
      healthy(2, 2, true),
      offered(2, 3, aHash("b")),
      acked(2, 4, "applied", aHash("b")),
    ];
    const facets = ({ health, connection, acknowledgement, attempts }: AgentView) => ({
      health,
      connection,
      acknowledgement,
      hashes: attempts.map((a) => a.hash),
    });
    const expected = facets(fold(events));
    fc.assert(
      fc.property(fc.shuffledSubarray(events, { minLength: events.length }), (shuffled) => {
        assert.deepEqual(facets(fold([...shuffled, ...shuffled])), expected);
      }),
    );
  });

  it("remembers in the ledger that an agent failed and went back by itself", () => {
    const view = fold([
      offered(1, 1, aHash("b")),
      acked(1, 2, "failed", aHash("b")),
      acked(1, 3, "applied", aHash("a")),
    ]);
    assert.equal(view.acknowledgement?.value.hash, aHash("a"));
    assert.equal(view.attempts[0]?.answer?.state, "failed");
  });

  it("numbers the tries of one hash and keeps the ledger bounded", () => {
    const view = fold(
      Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? offered(1, i + 1) : acked(1, i + 1, "applied"))),
    );
    assert.equal(view.attempts.length, MAX_ATTEMPTS);
    assert.equal(view.attempts.at(-1)?.number, 15);
  });

  it("counts silence from the first offer: one that is repeated for want of an answer is the same attempt", () => {
    const view = fold([offered(1, 1), offered(1, 2), offered(2, 1)]);
    assert.deepEqual(
      fold([offered(2, 1), offered(1, 1), offered(1, 2)]).attempts.map((a) => a.offeredAtMs),
      [1001],
    );
    assert.deepEqual(
      view.attempts.map((a) => [a.number, a.offeredAtMs]),
      [[1, 1001]],
    );
  });

  it("does not forget a failure whose offer is heard of later", () => {
    const view = fold([
      acked(1, 2, "failed", aHash("b")),
      acked(1, 3, "applied", aHash("a")),
      offered(1, 1, aHash("b")),
    ]);
    assert.deepEqual(
      view.attempts.map((a) => [a.hash, a.n, a.number, a.answer?.state]),
      [[aHash("b"), 1, 1, "failed"]],
    );
  });

  it("shows selectors single values, the identifying ones first, and survives hostile keys", () => {
    const view = apply(unknownAgent(uid, 0), {
      kind: "agent.described",
      ...at(1, 1),
      identifying: [["service.name", "a"]],
      nonIdentifying: [
        ["service.name", "b"],
        ["port", 5],
        ["list", ["x"]],
        ["__proto__", "p"],
      ],
    });
    assert.deepEqual(
      [...labelsOf(view)],
      [
        ["service.name", "a"],
        ["port", "5"],
        ["__proto__", "p"],
      ],
    );
  });
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
});
