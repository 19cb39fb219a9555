import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  FindingSchema,
  RenderConfigResponseSchema,
  Severity,
  ValidateConfigResponseSchema,
} from "@muster/protocol/muster/configs";
import { formatFindings, formatRendered, formatValidation } from "./config-check-text.ts";

const error = { severity: Severity.ERROR, file: "a.yaml", line: 3, column: 5, message: "No." };
const warning = { severity: Severity.WARNING, message: "Hm." };

describe("checks of configs", () => {
  it("name the place as compilers do, as far as there is one", () => {
    const findings = [error, warning].map((each) => create(FindingSchema, each));
    assert.equal(formatFindings(findings), "error: a.yaml:3:5: No.\nwarning: Hm.\n");
  });

  it("say who lacks what", () => {
    const lacking = [{ component: "receivers/otlp", lackingAgents: 2n, availableAgents: 5n }];
    const counts = { matchingAgents: 8n, silentAgents: 1n, components: ["receivers/otlp"] };
    const text = formatValidation(create(ValidateConfigResponseSchema, { findings: [error], lacking, ...counts }));
    assert.match(text, /It would be refused: 1 error\.\n8 agents would be meant; 1 of them do not say/);
    assert.match(text, /COMPONENT +LACKED BY +HAD BY\nreceivers\/otlp +2 +5\n$/);
    const variables = [{ variable: { key: "host", required: true }, lackingAgents: 2n }, { lackingAgents: 0n }];
    const named = formatValidation(create(ValidateConfigResponseSchema, { valid: true, variables }));
    assert.match(named, /\n\$\{agent:host\}: 2 agents have no value and are not offered the config\.\n$/);
    const fine = formatValidation(create(ValidateConfigResponseSchema, { valid: true, ...counts }));
    assert.match(fine, /^Nothing keeps it.*\n.*\nAll others have every component\.\n$/);
  });

  it("show what an agent runs, and who wins where configs contradict each other", () => {
    const configs = [
      { configId: "base", revision: 1n, order: 10, rolloutId: "r1" },
      { configId: "over", order: 20, candidate: true },
    ];
    const values = [
      { configId: "base", value: "[1]" },
      { configId: "over", value: "[2]" },
    ];
    const files = [{ name: "010-base-a.yaml", body: Buffer.from("a: 1\n") }];
    const conflicts = [{ path: "x.l", values, replacesList: true }];
    const rendered = create(RenderConfigResponseSchema, { configs, files, conflicts, merged: "a: 1\n", hash: "ab" });
    const text = formatRendered(rendered, true);
    assert.match(text, /over +\(files\) +20 +not rolled out yet/);
    assert.match(text, /conflict: x\.l: base says \[1\], over says \[2\]; over wins; its list replaces the others\n/);
    assert.match(text, /--- 010-base-a\.yaml\na: 1\n--- merged\na: 1\n$/);
    assert.doesNotMatch(formatRendered(rendered, false), /010-base/);
    const none = formatRendered(create(RenderConfigResponseSchema, { absence: "It lacks x." }), false);
    assert.match(none, /would not be offered the config: It lacks x\.\nNo config reaches the agent/);
  });
});
