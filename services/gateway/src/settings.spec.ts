import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { aHash } from "@muster/fleet/builders";
import { type AgentCapability, agentCapabilityMask } from "@muster/protocol";
import { ConnectionSettingsOffersSchema } from "@muster/protocol/opamp";
import { type Known, NOTHING_KNOWN } from "./known.ts";
import { decideConnection, decidePackages, parseWanted, type SettingsInput } from "./settings.ts";

const able = (...names: AgentCapability[]): bigint => agentCapabilityMask(["ReportsStatus", ...names]);
const wantedOf = (settings: MessageInitShape<typeof ConnectionSettingsOffersSchema>) =>
  parseWanted({
    connection: {
      hash: "aa",
      body: toBinary(ConnectionSettingsOffersSchema, create(ConnectionSettingsOffersSchema, settings)),
    },
    packages: { hash: "bb", body: new Uint8Array([1]) },
  });
const whole = wantedOf({
  opamp: { destinationEndpoint: "ws://muster/v1/opamp", heartbeatIntervalSeconds: 30n },
  ownMetrics: { destinationEndpoint: "http://otlp/v1/metrics" },
  otherConnections: { db: { destinationEndpoint: "db:1" } },
});
const ALL = able(
  "AcceptsOpAMPConnectionSettings",
  "ReportsRemoteConfig",
  "ReportsOwnMetrics",
  "AcceptsOtherConnectionSettings",
  "AcceptsPackages",
);

const base = (known: Partial<Known> = {}, rest: Partial<SettingsInput> = {}): SettingsInput => ({
  known: { ...NOTHING_KNOWN, capabilities: ALL, ...known },
  wanted: whole,
  transport: "websocket",
  epoch: 2,
  hasRestarted: false,
  nowMs: 10 * 60_000,
  ...rest,
});
const applying = { acknowledged: { hash: aHash(), isApplying: true } };
const offered = (atMs: number) => ({ hash: aHash(), epoch: 2, atMs });
const sent = (hash: string, epoch = 2, atMs = 0, repeats = 0) => ({ hash, epoch, atMs, repeats });

/** The parts of the offer, or why there is none. */
function parts(input: SettingsInput): readonly string[] | string {
  const decision = decideConnection(input);
  if (decision.kind === "none") return decision.why;
  const offer = fromBinary(ConnectionSettingsOffersSchema, decision.offer.body);
  assert.equal(Buffer.from(offer.hash).toString("hex"), decision.offer.hash);
  const present = [
    ["opamp", offer.opamp],
    ["own_metrics", offer.ownMetrics],
    ["own_traces", offer.ownTraces],
    ["other", offer.otherConnections["db"]],
  ] as const;
  return present.flatMap(([name, part]) => (part === undefined ? [] : [name]));
}

describe("decideConnection", () => {
  const cases: readonly (readonly [name: string, input: SettingsInput, expected: readonly string[] | string])[] = [
    ["offers everything to an agent that takes everything", base(), ["opamp", "own_metrics", "other"]],
    [
      "has no opinion when nobody has",
      base({}, { wanted: parseWanted({ connection: null, packages: null }) }),
      "no_opinion",
    ],
    [
      "leaves out what the agent has no bit for (R55)",
      base({ capabilities: able("ReportsOwnMetrics") }),
      ["own_metrics"],
    ],
    [
      "offers the interval to an agent that only reports heartbeats",
      base({ capabilities: able("ReportsHeartbeat") }),
      ["opamp"],
    ],
    ["offers nothing to an agent that takes none of it", base({ capabilities: able() }), "incapable"],
    [
      "offers a change once, on whichever connection (4.20, 14)",
      base({ sent: { connection: sent("aa", 1) } }),
      "already_offered",
    ],
    [
      "offers a change after the one before",
      base({ sent: { connection: sent("00") } }),
      ["opamp", "own_metrics", "other"],
    ],
    [
      "repeats it to an agent that answers and did not, but not at once",
      base({ capabilities: ALL | able("ReportsConnectionSettingsStatus"), sent: { connection: sent("aa") } }),
      ["opamp", "own_metrics", "other"],
    ],
    [
      "waits before it repeats",
      base({ capabilities: ALL | able("ReportsConnectionSettingsStatus"), sent: { connection: sent("aa", 2, 1) } }),
      "already_offered",
    ],
    [
      "repeats it at once when such an agent comes back without it (R102)",
      base({ capabilities: ALL | able("ReportsConnectionSettingsStatus"), sent: { connection: sent("aa", 1, 1) } }),
      ["opamp", "own_metrics", "other"],
    ],
    [
      "but not each time that it comes back",
      base({ capabilities: ALL | able("ReportsConnectionSettingsStatus"), sent: { connection: sent("aa", 1, 1, 1) } }),
      "already_offered",
    ],
    [
      "leaves an agent alone that has it",
      base({ received: { connection: { hash: "aa", hasFailed: false } } }),
      "current",
    ],
    ["never repeats what failed", base({ received: { connection: { hash: "aa", hasFailed: true } } }), "failed"],
    ["waits while a config is applied (7b)", base({ ...applying, offered: offered(1) }), "busy"],
    ["waits for the answer to a config (7b)", base({ offered: offered(540_001) }), "busy"],
    ["but for no answer without end", base({ offered: offered(540_000) }), ["opamp", "own_metrics", "other"]],
    [
      "nor for one that applies for ever",
      base({ ...applying, offered: offered(0) }),
      ["opamp", "own_metrics", "other"],
    ],
    [
      "leaves an agent alone that has them with the certificate that it asked for",
      base({ received: { connection: { hash: "cc", hasFailed: false } }, certified: { hash: "cc", over: "aa" } }),
      "current",
    ],
    [
      "brings what changed since then",
      base({ received: { connection: { hash: "cc", hasFailed: false } }, certified: { hash: "cc", over: "00" } }),
      ["opamp", "own_metrics", "other"],
    ],
  ];
  for (const [name, input, expected] of cases) it(name, () => assert.deepEqual(parts(input), expected));

  it("names an offer of some parts otherwise than the whole, and each choice its own way (R53)", () => {
    const hashOf = (capabilities: bigint): string => {
      const decision = decideConnection(base({ capabilities }));
      assert.ok(decision.kind === "offer");
      return decision.offer.hash;
    };
    const some = [able("ReportsOwnMetrics"), able("ReportsHeartbeat")];
    const hashes = [ALL, ...some, able("AcceptsOpAMPConnectionSettings")].map(hashOf);
    assert.equal(hashes[0], "aa");
    assert.equal(new Set(hashes).size, 4, "also of an interval alone and all of the connection");
  });
});

describe("decidePackages", () => {
  const cases: readonly (readonly [name: string, input: SettingsInput, expected: string])[] = [
    ["offers what the agent has not received (R93)", base(), "offer"],
    [
      "offers again when the agent received another set",
      base({ received: { packages: { hash: "00", hasFailed: false } } }),
      "offer",
    ],
    [
      "leaves an agent alone that received it, installed or not",
      base({ received: { packages: { hash: "bb", hasFailed: true } } }),
      "current",
    ],
    ["offers nothing to an agent that takes no packages (R85)", base({ capabilities: able() }), "incapable"],
    ["does not repeat itself on one WebSocket", base({ sent: { packages: sent("bb") } }), "already_offered"],
    ["repeats itself on the next", base({ sent: { packages: sent("bb", 1) } }), "offer"],
    [
      "repeats itself to an agent that polls, after a while",
      base({ sent: { packages: sent("bb", 2, 570_000) } }, { transport: "http" }),
      "offer",
    ],
    [
      "but not with every poll",
      base({ sent: { packages: sent("bb", 2, 570_001) } }, { transport: "http" }),
      "already_offered",
    ],
    ["waits while a config is applied", base({ ...applying, offered: offered(1) }), "busy"],
  ];
  for (const [name, input, expected] of cases) {
    it(name, () => {
      const decision = decidePackages(input);
      assert.equal(decision.kind === "none" ? decision.why : decision.kind, expected);
    });
  }
});
