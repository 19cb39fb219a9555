import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AGENT_STATES, ROLLOUT_PHASES, ROLLOUT_REASONS, STAGE_STATES } from "../src/rollout-states.ts";
import { drawMachine, statesPage } from "./states-page.ts";

describe("drawMachine", () => {
  it("draws every step, from the beginning to the ends, and tells what each state means", () => {
    const machine = {
      meanings: { waiting: "It waits.", running: "It runs|walks.", done: "Ended." },
      transitions: { waiting: ["running"], running: ["waiting", "done"], done: [] },
    };
    assert.equal(
      drawMachine(machine),
      [
        "```mermaid",
        "stateDiagram-v2",
        "  [*] --> waiting",
        "  waiting --> running",
        "  running --> waiting",
        "  running --> done",
        "  done --> [*]",
        "```",
        "",
        "| state | meaning | may be followed by |",
        "| --- | --- | --- |",
        "| `waiting` | It waits. | `running` |",
        "| `running` | It runs\\|walks. | `waiting`, `done` |",
        "| `done` | Ended. | nothing |",
      ].join("\n"),
    );
  });

  it("leaves the arrows to a state that most lead to out of the diagram, except first steps, and says so", () => {
    const text = drawMachine({
      meanings: { a: "A.", b: "B.", c: "C.", failed: "F.", gone: "G." },
      transitions: {
        a: ["b", "failed", "gone"],
        b: ["c", "failed", "gone"],
        c: ["gone", "failed"],
        failed: [],
        gone: [],
      },
    });
    const [diagram = "", rest = ""] = text.split("```\n");
    assert.doesNotMatch(diagram, /failed/);
    assert.deepEqual(
      diagram.split("\n").filter((line) => line.includes("gone")),
      ["  c --> gone", "  gone --> [*]"],
    );
    assert.match(
      rest,
      /Most states may be followed by `failed` and `gone`; the table has the steps that the diagram leaves out\./,
    );
    assert.match(rest, /\| `a` \| A\. \| `b`, `failed`, `gone` \|/);
  });
});

describe("statesPage", () => {
  it("has a row for every phase, state and reason", () => {
    const page = statesPage();
    for (const table of [ROLLOUT_PHASES, STAGE_STATES, AGENT_STATES, ROLLOUT_REASONS])
      for (const [name, meaning] of Object.entries(table))
        assert.ok(page.includes(`| \`${name}\` | ${meaning} |`), name);
  });
});
