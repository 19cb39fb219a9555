import assert from "node:assert/strict";
import { it } from "node:test";
import { renderFlame } from "./graph.ts";
import { foldProfile } from "./profile.ts";

const node = (id: number, functionName: string, children: number[], url = "") => ({
  id,
  callFrame: { functionName, url, lineNumber: 9 },
  children,
});

const profile = {
  nodes: [
    node(1, "(root)", [2, 5, 6]),
    node(2, "receive", [3, 4], "file:///elsewhere/muster/services/gateway/src/hub.ts"),
    node(3, "step", [], "file:///elsewhere/muster/services/gateway/src/session.ts"),
    node(4, "", [], "node:internal/timers"),
    node(5, "(idle)", []),
    node(6, "receive", [], "file:///elsewhere/muster/services/gateway/src/hub.ts"),
  ],
  samples: [2, 3, 3, 4, 5, 6],
  timeDeltas: [100, 200, 300, 50, 10_000, 350],
};

it("adds up time by caller, without idling", () => {
  const root = foldProfile(profile);
  assert.equal(root.micros, 1_000);
  const [receive] = root.children.values();
  assert.equal(receive?.name, "receive services/gateway/src/hub.ts:10");
  assert.equal(receive?.micros, 1_000);
  assert.deepEqual(
    [...(receive?.children.values() ?? [])].map(({ name, micros }) => [name, micros]),
    [
      ["step services/gateway/src/session.ts:10", 500],
      ["(anonymous) node:internal/timers:10", 50],
    ],
  );
});

it("draws frames as wide as they took, and names no folder of the machine", () => {
  const svg = renderFlame("gateway", "commit abc, 2026-11-23", foldProfile(profile));
  assert.match(
    svg,
    /<title>step services\/gateway\/src\/session\.ts:10: 50\.0 %<\/title><rect x="0\.0" y="-34" width="600\.0"/,
  );
  assert.match(svg, /0\.00 s of processor time; commit abc, 2026-11-23</);
  assert.doesNotMatch(svg, /elsewhere/);
});

it("draws an empty profile", () => assert.match(renderFlame("none", "", foldProfile({ nodes: [] })), /<svg/));
