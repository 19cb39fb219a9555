import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ActionKind,
  AgentSchema,
  PackageState,
  type PackageStatusSchema,
  RemoteConfigState,
} from "@muster/protocol/muster/agents";
import { formatAgent } from "./agent-text.ts";
import { packageLines } from "./report-text.ts";

const NOW_MS = 1_000_000;
const ago = (seconds: number) => timestampFromMs(NOW_MS - seconds * 1_000);
const hash = "ab".repeat(32);
const shown = (init: MessageInitShape<typeof AgentSchema>) => formatAgent(create(AgentSchema, init), NOW_MS, false);

describe("what an agent reports beside its config", () => {
  it("takes no room where there is nothing", () => {
    assert.doesNotMatch(shown({}), /packages|actions|components|custom|previous|understood|settings/);
  });

  it("is shown a line each", () => {
    const text = shown({
      customCapabilities: ["io.example.a", "io.example.b"],
      availableComponents: {
        hash,
        components: { receivers: { subComponents: { otlp: {}, hostmetrics: {} } }, exporters: {} },
      },
      connectionSettingsStatus: { state: RemoteConfigState.FAILED, hash, errorMessage: "no\nroute" },
      connectionSettingsOffer: { hash, sendTime: ago(5) },
      packagesOffer: { hash, sendTime: ago(7) },
      previousInstanceUids: ["01890a5d-ac96-774b-bcce-000000000009"],
      unrecognized: { message: new Uint8Array(), health: new Uint8Array() },
    });
    for (const line of [
      /custom capabilities +io\.example\.a io\.example\.b/,
      /components +receivers 2, exporters 0 \(abababababab\)/,
      /connection settings +sent abababababab 5s ago; failed abababababab: no route/,
      /packages offered +sent abababababab 7s ago/,
      /previous uids +01890a5d-ac96-774b-bcce-000000000009/,
      /not understood +health message/,
    ]) {
      assert.match(text, line);
    }
    assert.match(shown({ availableComponents: { hash } }), /components +not told yet \(abababababab\)/);
  });

  it("has actions and messages, newest first", () => {
    const text = shown({
      actions: [
        { kind: ActionKind.REFRESH, actionId: "b", sendTime: ago(1) },
        { kind: ActionKind.RESTART, actionId: "a", sendTime: ago(120) },
      ],
      customMessages: [{ capability: "io.example", type: "t", sizeBytes: 3n, receiveTime: ago(9) }],
    });
    assert.match(text, /actions\n {2}tell everything again +1s ago {2}b\n {2}restart +2m ago {2}a\n/);
    assert.match(text, /custom messages\n {2}io\.example t +3 bytes, 9s ago\n/);
  });
});

describe("a package", () => {
  const cases: readonly (readonly [
    name: string,
    status: MessageInitShape<typeof PackageStatusSchema>,
    text: string,
  ])[] = [
    ["of which nothing is there", { state: PackageState.INSTALL_PENDING }, "none, waits to be installed"],
    [
      "that is there",
      { agentVersion: "1", agentHash: "aa", offeredHash: "aa", state: PackageState.INSTALLED },
      "1 (aa), installed",
    ],
    [
      "that says installed but is another",
      { agentVersion: "1", agentHash: "aa", offeredVersion: "2", offeredHash: "bb", state: PackageState.INSTALLED },
      "1 (aa), offered 2 (bb), not yet installed",
    ],
    [
      "that is on its way",
      { offeredVersion: "2", offeredHash: "bb", state: PackageState.DOWNLOADING, downloadPercent: 12.5 },
      "none, offered 2 (bb), is being downloaded, 12.5 %",
    ],
    [
      "that could not be had",
      { offeredVersion: "2", offeredHash: "bb", state: PackageState.INSTALL_FAILED, errorMessage: "disk\nfull" },
      "none, offered 2 (bb), failed: disk full",
    ],
  ];
  for (const [name, status, text] of cases) {
    it(`${name} is "${text}"`, () => {
      const agent = create(AgentSchema, { packageStatuses: { packages: { otelcol: status } } });
      assert.equal(packageLines(agent), `  otelcol   ${text}\n`);
    });
  }

  it("may have no name, and the whole offer an error", () => {
    const agent = create(AgentSchema, { packageStatuses: { packages: { "": {} }, errorMessage: "bad signature" } });
    assert.match(packageLines(agent), /^ {2}\(unnamed\) +none, \?\n {2}bad signature\n$/);
  });
});
