import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { AgentSchema, DifferenceKind, DriftState } from "@muster/protocol/muster/agents";
import { driftWord, formatDrift } from "./drift-text.ts";

const hash = "ab".repeat(32);
const difference = { path: "exporters.otlp.endpoint", kind: DifferenceKind.DIFFERENT, offered: "a", effective: "b" };

describe("the drift of an agent", () => {
  it("is a table of differences, and how many more there are", () => {
    const configDrift = { state: DriftState.DRIFTED, hash, differences: [difference], differenceCount: 3n };
    const agent = create(AgentSchema, { instanceUid: "u", configDrift });
    const expected = [
      "Agent u drifted from abababababab: 3 differences",
      "PATH                      IS          OFFERED   EFFECTIVE",
      "exporters.otlp.endpoint   different   a         b",
      "and 2 more",
      "",
    ];
    assert.equal(formatDrift(agent), expected.join("\n"));
    assert.equal(driftWord(agent), "drifted");
  });

  it("is a sentence where there is none, or nobody can tell", () => {
    const same = create(AgentSchema, { instanceUid: "u", configDrift: { state: DriftState.IN_SYNC, hash } });
    assert.equal(formatDrift(same), "Agent u shows all of abababababab.\n");
    assert.match(formatDrift(create(AgentSchema, { instanceUid: "u" })), /^Nobody can tell whether agent u drifted: /);
    assert.deepEqual([same, create(AgentSchema)].map(driftWord), ["shows what it should run", "nobody can tell"]);
  });
});
