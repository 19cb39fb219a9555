import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Rollout,
  RolloutCountsSchema,
  RolloutPhase,
  RolloutSchema,
  StageState,
} from "@muster/protocol/muster/rollouts";
import { formatRollout, formatRolloutLine, formatRollouts } from "./rollout-text.ts";

const NOW_MS = 1_000_000;
const percent = (value: number, bakeMs = 0) => ({
  size: { case: "percent", value } as const,
  bake: durationFromMs(bakeMs),
});

function aRollout(init: MessageInitShape<typeof RolloutSchema> = {}): Rollout {
  return create(RolloutSchema, {
    rolloutId: "r1",
    configId: "base",
    revision: 3n,
    selector: "env=prod",
    phase: RolloutPhase.RUNNING,
    message: "Stage 2 of 3 goes on.",
    stageIndex: 1,
    stages: [
      { stage: percent(10), state: StageState.PASSED, size: 5n },
      { stage: percent(50), state: StageState.CONVERGING, size: 24n },
      { stage: percent(100), state: StageState.PENDING },
    ],
    counts: { targeted: 50n, verified: 12n, applying: 4n, queued: 34n },
    createTime: timestampFromMs(NOW_MS - 60_000),
    ...init,
  } as MessageInitShape<typeof RolloutSchema>); // a spread of two inits is one
}

describe("the picture of a rollout", () => {
  it("shows every stage with a bar, the counts and the words", () => {
    const lines = formatRollout(aRollout(), NOW_MS).split("\n");
    assert.deepEqual(lines, [
      "rollout r1: base@3 to env=prod",
      "",
      "✔ 1   10%  ████████████████████████  passed 5 agents",
      "▶ 2   50%  ████████████░░░░░░░░░░░░  converging 24 agents",
      "  3  100%  ░░░░░░░░░░░░░░░░░░░░░░░░  pending",
      "",
      "50 agents: 12 verified, 4 applying, 34 queued",
      "running: Stage 2 of 3 goes on.",
      "",
    ]);
  });

  it("counts the bake time down", () => {
    const stage = {
      stage: percent(100, 30_000),
      state: StageState.BAKING,
      size: 1n,
      convergeTime: timestampFromMs(NOW_MS - 10_500),
    };
    const shown = formatRollout(aRollout({ stages: [stage], stageIndex: 0 }), NOW_MS);
    assert.match(shown, /█{24} {2}baking, 20s left, 1 agent\n/);
  });

  it("names those that failed, and what they said", () => {
    const failures = [
      { instanceUid: "uid-1", state: "timed_out" },
      { instanceUid: "uid-2", state: "failed", errorMessage: "no\nroom" },
    ];
    const shown = formatRollout(aRollout({ phase: RolloutPhase.PAUSED, failures }), NOW_MS);
    assert.match(shown, /paused: .*\n {2}uid-1 timed out: no word\n {2}uid-2 failed: no room\n$/);
  });

  it("says when a wish is on its way", () => {
    const shown = formatRollout(aRollout({ generation: 2n, observedGeneration: 1n }), NOW_MS);
    assert.match(shown, /running \(a wish is on its way\)/);
  });

  it("has a word for every count there is", () => {
    const names = RolloutCountsSchema.fields.map((field) => field.localName).filter((name) => name !== "targeted");
    const counts = Object.fromEntries(names.map((name) => [name, 1n]));
    const shown = formatRollout(aRollout({ counts: { ...counts, targeted: BigInt(names.length) } }), NOW_MS);
    const line = shown.split("\n").find((each) => each.startsWith(`${names.length} agents`)) ?? "";
    assert.equal(line.match(/\b1 /g)?.length, names.length);
  });
});

describe("a rollout", () => {
  it("is one line where nothing can be redrawn", () => {
    const line =
      "running · stage 2/3 converging · 50 agents: 12 verified, 4 applying, 34 queued · Stage 2 of 3 goes on.\n";
    assert.equal(formatRolloutLine(aRollout()), line);
  });

  it("is a row among others, at its last stage when it has ended", () => {
    const ended = aRollout({ phase: RolloutPhase.SUCCEEDED, stageIndex: 3, message: "Done." });
    const [, row = ""] = formatRollouts([ended], NOW_MS).split("\n");
    assert.deepEqual(row.split(/\s{2,}/), ["r1", "base@3", "succeeded", "3/3", "12/50", "1m ago", "Done."]);
  });
});
