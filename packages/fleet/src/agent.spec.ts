import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { adopt, apply, MAX_ACTIONS, MAX_CUSTOM_MESSAGES } from "./agent.ts";
import { MAX_ATTEMPTS } from "./attempt.ts";
import { aHash, aUid } from "./builders.ts";
import type { AgentEvent, PackageReport } from "./event.ts";
import { bodiesOf, isConnected, labelsOf, originOf, selectableOf, updatedAtMs } from "./facts.ts";
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
    assert.equal(selectableOf(view, []).get("connected"), "false");
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
      health: [health?.epoch, health?.n, health?.value],
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

  it("have a name: their own, or else their host's", () => {
    const named = (...nonIdentifying: readonly (readonly [string, string])[]) =>
      labelsOf(apply(unknownAgent(uid, 0), { kind: "agent.described", ...at(1, 1), identifying: [], nonIdentifying }));
    assert.equal(named(["host.name", "web-1"]).get("name"), "web-1");
    assert.equal(named(["host.name", "web-1"], ["name", "web"]).get("name"), "web");
    assert.equal(named(["os.type", "linux"]).has("name"), false);
  });

  it("are without the byte order marks that a view may have lost by the time it is read", () => {
    const marked = { identifying: [], nonIdentifying: [["\ufeffos", `\ufeff\ufeff${"x".repeat(70)}\ufeff`]] } as const;
    const view = apply(unknownAgent(uid, 0), { kind: "agent.described", ...at(1, 1), ...marked });
    assert.deepEqual([...labelsOf(view)], [["os", `${"x".repeat(70)}\ufeff`]]);
  });
});

const aPackage = (agentVersion: string): PackageReport => ({
  name: "otelcol",
  agentVersion,
  agentHash: "aa",
  offeredVersion: "",
  offeredHash: "",
  state: "installed",
  error: "",
  downloadPercent: null,
  downloadBytesPerSecond: null,
});

const aUsage = (word: string) => ({ cpuPercent: null, cpuCores: null, memoryBytes: word.charCodeAt(0) });

/** Every kind that has nothing to do with configs: an event of it at a place, and what the view makes of it. */
const others: readonly {
  readonly kind: AgentEvent["kind"];
  event(epoch: number, n: number, word: string): AgentEvent;
  read(view: AgentView): unknown;
  expected(word: string): unknown;
}[] = [
  {
    kind: "agent.packages-reported",
    event: (epoch, n, word) => ({
      kind: "agent.packages-reported",
      ...at(epoch, n),
      packages: [aPackage(word)],
      allHash: word,
      error: "",
    }),
    read: (view) => view.packages?.value,
    expected: (word) => ({ packages: [aPackage(word)], allHash: word, error: "" }),
  },
  {
    kind: "agent.connection-settings-acknowledged",
    event: (epoch, n, settings) => ({
      kind: "agent.connection-settings-acknowledged",
      ...at(epoch, n),
      settings,
      state: "failed",
      error: "no",
    }),
    read: (view) => view.connectionSettings?.value,
    expected: (settings) => ({ settings, state: "failed", error: "no" }),
  },
  {
    kind: "agent.custom-capabilities-changed",
    event: (epoch, n, word) => ({ kind: "agent.custom-capabilities-changed", ...at(epoch, n), capabilities: [word] }),
    read: (view) => view.customCapabilities?.value,
    expected: (word) => [word],
  },
  {
    kind: "agent.components-reported",
    event: (epoch, n, word) => ({
      kind: "agent.components-reported",
      ...at(epoch, n),
      inventory: word,
      address: `a${word}`,
    }),
    read: (view) => view.components?.value,
    expected: (word) => ({ inventory: word, address: `a${word}` }),
  },
  {
    kind: "agent.settings-offered",
    event: (epoch, n, settings) => ({ kind: "agent.settings-offered", ...at(epoch, n), of: "connection", settings }),
    read: (view) => [view.connectionOffer?.value, view.packagesOffer],
    expected: (settings) => [settings, null],
  },
  {
    kind: "agent.usage-measured",
    event: (epoch, n, word) => ({ kind: "agent.usage-measured", ...at(epoch, n), usage: aUsage(word) }),
    read: (view) => view.ownUsage?.value,
    expected: aUsage,
  },
  {
    kind: "agent.unrecognized-reported",
    event: (epoch, n, body) => ({ kind: "agent.unrecognized-reported", ...at(epoch, n), part: "health", body }),
    read: (view) => view.unrecognized.map(({ part, body }) => [part, body]),
    expected: (body) => [["health", body]],
  },
];

const said = (epoch: number, n: number, body: string | null = null): AgentEvent => ({
  kind: "agent.custom-message-received",
  ...at(epoch, n),
  capability: "io.example",
  type: "t",
  body,
  sizeBytes: 1,
});
const sent = (epoch: number, n: number): AgentEvent => ({
  kind: "agent.action-sent",
  ...at(epoch, n),
  actionId: `${epoch}-${n}`,
  action: "restart",
});
const unrecognized = (epoch: number, n: number, part: string, body: string | null): AgentEvent => ({
  kind: "agent.unrecognized-reported",
  ...at(epoch, n),
  part,
  body,
});

describe("what an agent reports beside its config", () => {
  for (const { kind, event, read, expected } of others) {
    it(`is kept of ${kind}: the newest word, whatever comes late or twice`, () => {
      const newest = fold([event(1, 1, "a"), event(2, 1, "b")]);
      assert.deepEqual(read(newest), expected("b"));
      assert.equal(apply(newest, event(1, 9, "late")), newest);
      assert.equal(apply(newest, event(2, 1, "b")), newest);
    });
  }

  it("is kept of offers of either kind apart", () => {
    const offer = (of: "connection" | "packages", n: number): AgentEvent => ({
      kind: "agent.settings-offered",
      ...at(1, n),
      of,
      settings: of,
    });
    const { connectionOffer, packagesOffer } = fold([offer("packages", 2), offer("connection", 1)]);
    assert.deepEqual([connectionOffer?.value, packagesOffer?.value], ["connection", "packages"]);
  });

  const histories = [
    {
      name: "custom messages",
      limit: MAX_CUSTOM_MESSAGES,
      event: said,
      read: (view: AgentView) => view.customMessages,
    },
    { name: "actions", limit: MAX_ACTIONS, event: sent, read: (view: AgentView) => view.actions },
  ];
  for (const { name, limit, event, read } of histories) {
    it(`is a bounded history of ${name}, the newest last, in the order of the fences`, () => {
      const events = Array.from({ length: limit + 3 }, (_, i) => event(1, i + 1));
      const forwards = fold(events);
      assert.deepEqual(
        read(forwards).map(({ n }) => n),
        Array.from({ length: limit }, (_, i) => i + 4),
      );
      assert.deepEqual(read(fold(events.toReversed())), read(forwards));
      assert.equal(apply(forwards, event(1, 1)), forwards, "what is older than all that is kept changes nothing");
      assert.equal(apply(forwards, event(1, limit)), forwards, "nor does what is there");
    });
  }

  it("remembers of each part the newest word, also that nothing unknown is in it any more", () => {
    const gone = fold([
      unrecognized(1, 1, "health", "h"),
      unrecognized(1, 2, "message", "m"),
      unrecognized(1, 3, "health", null),
    ]);
    assert.deepEqual(
      new Map(gone.unrecognized.map(({ part, body }) => [part, body])),
      new Map([
        ["message", "m"],
        ["health", null],
      ]),
    );
    assert.equal(apply(gone, unrecognized(1, 1, "health", "h")), gone);
    const many = Array.from({ length: 100 }, (_, i) => unrecognized(1, i + 1, `part-${i}`, "b"));
    assert.ok(fold(many).unrecognized.length <= 32);
  });

  it("names every body once that the view refers to", () => {
    const view = fold([
      { kind: "agent.effective-config-reported", ...at(1, 1), body: "eff", sizeBytes: 1 },
      { kind: "agent.components-reported", ...at(1, 2), inventory: "i", address: "inv" },
      said(1, 3, "msg"),
      said(1, 4, null),
      said(1, 5, "msg"),
      unrecognized(1, 6, "health", "unk"),
      unrecognized(1, 7, "message", null),
    ]);
    assert.deepEqual([...bodiesOf(view)].sort(), ["eff", "msg", "unk"]);
    assert.equal(updatedAtMs(view), 1_005, "parts that are not understood have no time of their own");
  });

  it("reaches the same view in any order of arrival", () => {
    const events = [
      ...others.flatMap(({ event }, i) => [event(1, i + 1, "a"), event(1, i + 20, "b"), event(2, i + 1, "c")]),
      ...Array.from({ length: MAX_ACTIONS + 2 }, (_, i) => sent(3, i + 1)),
      ...Array.from({ length: MAX_CUSTOM_MESSAGES + 2 }, (_, i) => said(4, i + 1)),
      unrecognized(1, 50, "message", "m"),
      renamed(aUid(7)),
    ];
    // Parts have no order among themselves.
    const sorted = (view: AgentView) => ({
      ...view,
      unrecognized: view.unrecognized.toSorted((a, b) => a.part.localeCompare(b.part)),
    });
    const expected = sorted(fold(events));
    fc.assert(
      fc.property(fc.shuffledSubarray(events, { minLength: events.length }), (shuffled) => {
        assert.deepEqual(sorted(fold([...shuffled, ...shuffled.toReversed()])), expected);
      }),
    );
  });
});

const renamed = (from: ReturnType<typeof aUid>): AgentEvent => ({ kind: "agent.renamed", ...at(9, 1), from });

describe("an agent that goes on under another uid", () => {
  const OLD = aUid(5);
  const former = (events: readonly AgentEvent[]) => events.reduce(apply, unknownAgent(OLD, 500));

  it("remembers the uids before once each, the first one first, and never its own", () => {
    const view = [renamed(aUid(7)), renamed(aUid(8)), renamed(aUid(7)), renamed(uid)].reduce(
      apply,
      unknownAgent(uid, 0),
    );
    assert.deepEqual(view.previousUids, [aUid(7), aUid(8)]);
    assert.deepEqual([originOf(view), originOf(unknownAgent(uid, 0))], [aUid(7), uid]);
    assert.equal(apply(view, renamed(aUid(8))), view);
    const many = Array.from({ length: 40 }, (_, i) => renamed(aUid(i + 100))).reduce(apply, unknownAgent(uid, 0));
    assert.equal(many.previousUids.length, 16);
  });

  it("has every facet that was known before, except where it said something newer", () => {
    const old = former([
      healthy(1, 2, false),
      connected(1, 1),
      ...others.map(({ event }, i) => event(1, i + 3, "old")),
    ]);
    const view = adopt(fold([connected(2, 1), healthy(2, 2, true)]), old);
    assert.deepEqual([view.uid, view.firstSeenAtMs, view.previousUids], [uid, 0, [OLD]]);
    assert.deepEqual([view.health?.value.healthy, view.connection?.epoch], [true, 2]);
    for (const { read, expected } of others) assert.deepEqual(read(view), expected("old"));
  });

  it("joins both ledgers and histories within their bounds", () => {
    const old = former([offered(1, 1), ...Array.from({ length: 12 }, (_, i) => sent(1, i + 2)), said(1, 30)]);
    const view = adopt(fold([offered(2, 1, aHash("b")), sent(2, 2), said(2, 3)]), old);
    assert.deepEqual(
      view.attempts.map(({ hash }) => hash),
      [aHash(), aHash("b")],
    );
    assert.deepEqual([view.actions.length, view.actions.at(-1)?.epoch], [MAX_ACTIONS, 2]);
    assert.deepEqual(
      view.customMessages.map(({ epoch }) => epoch),
      [1, 2],
    );
  });

  it("keeps the newest word of each part that is not understood", () => {
    const old = former([unrecognized(1, 1, "health", "old"), unrecognized(1, 2, "message", "old")]);
    const view = adopt(fold([unrecognized(2, 1, "health", null)]), old);
    assert.deepEqual(
      view.unrecognized.map(({ part, body }) => [part, body]),
      [
        ["health", null],
        ["message", "old"],
      ],
    );
  });

  it("stays as it is when it takes over the same again, also what was answered in between", () => {
    const old = former([connected(1, 1), offered(1, 2), healthy(1, 3, true), said(1, 4), sent(1, 5)]);
    const once = apply(adopt(fold([connected(2, 1)]), old), acked(2, 2, "applied"));
    assert.deepEqual(adopt(once, old), once);
  });

  it("lists the uids before oldest first, though the newest was heard of first", () => {
    const third = apply(unknownAgent(uid, 0), renamed(OLD));
    assert.deepEqual(adopt(third, apply(former([]), renamed(aUid(4)))).previousUids, [aUid(4), OLD]);
  });
});
