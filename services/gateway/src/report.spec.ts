import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { aHash } from "@muster/fleet/builders";
import { AGENT_CAPABILITIES, decodeAgentBody, encodeAgentBody, ProtocolError } from "@muster/protocol";
import { type AnyValue, AnyValueSchema, KeyValueSchema } from "@muster/protocol/anyvalue";
import { AgentToServerSchema, RemoteConfigStatuses } from "@muster/protocol/opamp";
import { type Addresses, capabilityNames, type Report, type ReportedFacet, translate } from "./report.ts";

type Message = MessageInitShape<typeof AgentToServerSchema>;
type Value = AnyValue["value"];

/** What comes of a message that went over the wire. */
function report(message: Message, ofContent: Addresses["ofContent"] = () => "address"): Report {
  const decoded = decodeAgentBody(encodeAgentBody(create(AgentToServerSchema, message)));
  assert.ok(!(decoded instanceof ProtocolError));
  return translate(decoded, { ofContent, ofInventory: (hash) => `inventory ${hash}` });
}

function facet<Kind extends ReportedFacet["kind"]>(
  kind: Kind,
  message: Message,
): Extract<ReportedFacet, { kind: Kind }> {
  const found = report(message).facets.find((one) => one.kind === kind);
  assert.ok(found !== undefined);
  return found as Extract<ReportedFacet, { kind: Kind }>; // found by its kind
}

const attribute = (key: string, value: Value) =>
  create(KeyValueSchema, { key, value: create(AnyValueSchema, { value }) });
const described = (...attributes: readonly (readonly [string, Value])[]): Message => ({
  agentDescription: { nonIdentifyingAttributes: attributes.map(([key, value]) => attribute(key, value)) },
});
const text = (value: string): Value => ({ case: "stringValue", value });
const bytesOf = (hex: string): Uint8Array => Buffer.from(hex, "hex");

describe("translate", () => {
  it("says nothing of what a message leaves out", () => {
    const nothing = { facets: [], message: null, wantsUid: false, csr: null, isGoodbye: false };
    assert.deepEqual(report({}), { seq: 0n, capabilities: 0n, ...nothing });
  });

  it("keeps sequence numbers and capabilities of 64 bits", () => {
    const { seq, capabilities } = report({ sequenceNum: 2n ** 64n - 1n, capabilities: 2n ** 63n + 1n });
    assert.deepEqual([seq, capabilities], [2n ** 64n - 1n, 2n ** 63n + 1n]);
  });

  it("knows a goodbye", () => {
    assert.equal(report({ agentDisconnect: {} }).isGoodbye, true);
  });

  const values: readonly (readonly [name: string, value: Value, expected: unknown])[] = [
    ["text", text("a"), "a"],
    ["a whole number", { case: "intValue", value: 5n }, 5],
    ["a number beyond 2^53", { case: "intValue", value: 2n ** 60n }, String(2n ** 60n)],
    ["NaN", { case: "doubleValue", value: Number.NaN }, "NaN"],
    ["infinity", { case: "doubleValue", value: Number.NEGATIVE_INFINITY }, "-Infinity"],
    ["bytes", { case: "bytesValue", value: bytesOf("ff00") }, "/wA="],
    ["nothing", { case: undefined }, null],
  ];
  for (const [name, value, expected] of values) {
    it(`takes an attribute that holds ${name}, as it will be read back`, () => {
      const { nonIdentifying } = facet("description", described(["key", value]));
      assert.deepEqual(nonIdentifying, [["key", expected]]);
      assert.deepEqual(JSON.parse(JSON.stringify(nonIdentifying)), nonIdentifying);
    });
  }

  it("survives hostile keys", () => {
    const keys = ["__proto__", "constructor", "toString", ""];
    const { nonIdentifying } = facet("description", described(...keys.map((key) => [key, text("x")] as const)));
    assert.deepEqual(
      nonIdentifying.map(([key]) => key),
      keys,
    );
    const body = Buffer.from("polluted");
    const health = { componentHealthMap: Object.fromEntries(keys.map((key) => [key, { healthy: true }])) };
    const configMap = Object.fromEntries(keys.map((key) => [key, { body }]));
    report({ health, effectiveConfig: { configMap: { configMap } } });
    assert.equal(Reflect.get({}, "healthy"), undefined);
    assert.equal(Reflect.get({}, "body"), undefined);
  });

  it("tells the same by the same digest, and anything else by another", () => {
    const digests = [
      described(["a", text("1")]),
      described(["a", text("2")]),
      described(["b", text("1")]),
      described(["a", text("1")], ["b", text("1")]),
      described(["a", { case: "intValue", value: 1n }]),
      { agentDescription: { identifyingAttributes: [attribute("a", text("1"))] } },
    ].map((message: Message) => facet("description", message).digest);
    assert.equal(new Set(digests).size, digests.length);
    assert.equal(facet("description", described(["a", text("1")])).digest, digests[0]);
  });

  it("recognises maps in any order: encoders shuffle them", () => {
    const names = ["pipeline:traces", "pipeline:logs", "extensions"];
    const health = (order: readonly string[]): Message => ({
      health: { healthy: true, componentHealthMap: Object.fromEntries(order.map((n) => [n, { status: n }])) },
    });
    const config = (order: readonly string[]): Message => ({
      effectiveConfig: {
        configMap: { configMap: Object.fromEntries(order.map((n) => [n, { body: Buffer.from(n) }])) },
      },
    });
    assert.equal(facet("health", health(names)).digest, facet("health", health(names.toReversed())).digest);
    const [a, b] = [names, names.toReversed()].map((order) => facet("effectiveConfig", config(order)).body);
    assert.deepEqual(a, b);
  });

  describe("health", () => {
    it("keeps times to the nanosecond, and its parts", () => {
      const message: Message = {
        health: {
          healthy: true,
          status: "StatusOK",
          startTimeUnixNano: 1_700_000_000_123_456_789n,
          componentHealthMap: { extensions: { lastError: "no" } },
        },
      };
      const { health } = facet("health", message);
      assert.deepEqual([health.healthy, health.status], [true, "StatusOK"]);
      assert.equal(health.startTimeUnixNano, "1700000000123456789");
      assert.deepEqual(
        health.components.map(([name, part]) => [name, part.healthy, part.lastError]),
        [["extensions", false, "no"]],
      );
    });

    it("keeps a thousand of five thousand parts, however they are nested", () => {
      const parts = (count: number, of: object = {}) =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`part-${i}`, of]));
      const countParts = (health: { components: readonly (readonly [string, unknown])[] }): number =>
        health.components.reduce((sum, [, part]) => sum + 1 + countParts(part as typeof health), 0); // a tree of Health
      const wide = facet("health", { health: { componentHealthMap: parts(5_000) } });
      assert.equal(countParts(wide.health), 1_000);
      const nested = facet("health", {
        health: { componentHealthMap: parts(50, { componentHealthMap: parts(100) }) },
      });
      assert.equal(countParts(nested.health), 1_000);
    });

    it("cuts long words", () => {
      const long = "x".repeat(100_000);
      const { health } = facet("health", { health: { status: long, lastError: long } });
      assert.deepEqual([health.status.length, health.lastError.length], [4_096, 4_096]);
    });
  });

  describe("a remote config status", () => {
    const ack = (status: number, hash: string = aHash(), errorMessage = "") =>
      facet("acknowledgement", {
        remoteConfigStatus: {
          status: status as RemoteConfigStatuses,
          lastRemoteConfigHash: bytesOf(hash),
          errorMessage,
        },
      });
    const { RemoteConfigStatuses_APPLIED, RemoteConfigStatuses_APPLYING, RemoteConfigStatuses_FAILED } =
      RemoteConfigStatuses;
    const states: readonly (readonly [status: number, state: string])[] = [
      [RemoteConfigStatuses.RemoteConfigStatuses_UNSET, "unset"],
      [RemoteConfigStatuses_APPLIED, "applied"],
      [RemoteConfigStatuses_APPLYING, "applying"],
      [RemoteConfigStatuses_FAILED, "failed"],
      [99, "unset"],
      [-1, "unset"],
    ];
    for (const [status, state] of states) {
      it(`number ${status} means ${state}`, () => {
        assert.equal(ack(status).state, state);
      });
    }

    it("keeps the hash as text, of whatever length", () => {
      for (const hash of [aHash(), "", "00ff"]) assert.equal(ack(RemoteConfigStatuses_APPLIED, hash).hash, hash);
    });

    it("cuts a long error", () => {
      assert.equal(ack(RemoteConfigStatuses_FAILED, aHash(), "e".repeat(1_000_000)).error.length, 4_096);
    });

    it("is told apart by hash, state and error", () => {
      const told = [
        ack(RemoteConfigStatuses_APPLIED),
        ack(RemoteConfigStatuses_FAILED),
        ack(RemoteConfigStatuses_FAILED, aHash("b")),
        ack(RemoteConfigStatuses_FAILED, aHash("b"), "why"),
      ];
      assert.equal(new Set(told.map(({ digest }) => digest)).size, told.length);
    });
  });

  it("addresses an effective config by its content, names and types, and counts its bytes", () => {
    const config = (name: string, contentType: string, body: string): Message => ({
      effectiveConfig: { configMap: { configMap: { [name]: { contentType, body: Buffer.from(body) } } } },
    });
    const messages = [config("", "text/yaml", "a: 1"), config("x", "text/yaml", "a: 1"), config("", "", "a: 1")];
    const bodies = messages.map((message) => Buffer.from(facet("effectiveConfig", message).body).toString());
    assert.equal(new Set(bodies).size, 3);
    assert.equal(facet("effectiveConfig", config("", "text/yaml", "a: é")).sizeBytes, 5);
    const [one] = report(config("", "", "a"), (body) => `at ${body.byteLength}`).facets;
    assert.ok(one?.kind === "effectiveConfig");
    assert.deepEqual([one.address, one.digest], [`at ${one.body.byteLength}`, one.address]);
  });

  it("takes an effective config without files", () => {
    assert.equal(facet("effectiveConfig", { effectiveConfig: {} }).sizeBytes, 0);
  });
});

describe("capabilityNames", () => {
  const cases: readonly (readonly [bits: bigint, names: readonly string[]])[] = [
    [0n, []],
    [AGENT_CAPABILITIES.ReportsStatus | AGENT_CAPABILITIES.ReportsHealth, ["ReportsStatus", "ReportsHealth"]],
    [(1n << 40n) | 1n, ["ReportsStatus", "bit-40"]],
    [1n << 63n, ["bit-63"]],
  ];
  for (const [bits, names] of cases) {
    it(`of 0x${bits.toString(16)} is [${names.join(", ")}]`, () => {
      assert.deepEqual(capabilityNames(bits), names);
    });
  }
});
