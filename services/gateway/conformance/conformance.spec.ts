// Muster meets what OpAMP asks of a server, and docs/conformance.md says what came of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { root } from "@muster/local";
import { parseConfig } from "../src/config.ts";
import { askOurselves } from "./ourselves.ts";
import { formatPage } from "./page.ts";
import { REQUIREMENTS } from "./requirements.ts";
import type { Finding } from "./run.ts";
import { formatTable } from "./table.ts";

describe("Muster", () => {
  let findings: readonly Finding[];
  before(async () => {
    findings = await askOurselves();
  });

  it("fails none of the cases", () => {
    const failures = findings.filter(({ outcome }) => outcome.kind === "failed");
    assert.equal(failures.length, 0, formatTable(failures));
  });

  it("is asked about every requirement", () => {
    const asked = new Set(findings.map(({ requirement }) => requirement.id));
    assert.equal(asked.size, REQUIREMENTS.length);
  });

  it("needs nothing that nobody gave: neither a driver nor a second gateway", () => {
    const missing = findings.filter(
      ({ outcome }) => outcome.kind === "not-applicable" && outcome.reason === "needs-driver",
    );
    assert.equal(missing.length, 0, formatTable(missing));
  });

  it("is described by docs/conformance.md as it is; else run npm run conformance:docs", () => {
    const written = readFileSync(`${root}docs/conformance.md`, "utf8").split("\n");
    const lines = formatPage(findings).split("\n");
    const other = lines.findIndex((line, i) => line !== written[i]);
    assert.equal(written[other], lines[other], `line ${other + 1} is another`);
    assert.equal(written.length, lines.length);
  });
});

it("listens on port 4320 with limits of 64 MiB unless told otherwise (R3, R13)", () => {
  const { port, path, maxMessageBytes } = parseConfig({
    REDIS_URL: "redis://127.0.0.1:6379",
    MUSTER_ENCRYPTION_KEY: Buffer.alloc(32).toString("base64"),
  });
  assert.deepEqual([port, path, maxMessageBytes], [4320, "/v1/opamp", 64 * 1024 * 1024]);
});
