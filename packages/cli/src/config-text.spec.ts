import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ConfigSchema, RevisionSchema } from "@muster/protocol/muster/configs";
import { formatConfig, formatConfigs } from "./config-text.ts";

const NOW_MS = 1_000_000;
const config = create(ConfigSchema, {
  configId: "base",
  order: 100,
  latestRevision: 2n,
  updateTime: timestampFromMs(NOW_MS - 60_000),
});

describe("configs", () => {
  it("are rows with dashes for what is not there", () => {
    const [, row = ""] = formatConfigs([config], NOW_MS).split("\n");
    assert.deepEqual(row.split(/\s{2,}/), ["base", "(every agent)", "100", "2", "-", "-", "1m ago"]);
  });

  it("are shown with the files of a revision", () => {
    const files = [{ name: "a.yaml", contentType: "text/yaml", body: Buffer.from("a: 1\n") }];
    const revision = create(RevisionSchema, { revision: 2n, hash: "ab".repeat(32), message: "why", files });
    const shown = formatConfig(config, revision, NOW_MS);
    assert.match(shown, /for +every agent/);
    assert.match(shown, /revision 2 \(abababababab\), published -: why\n--- a\.yaml \(text\/yaml\)\na: 1\n$/);
  });

  it("are shown without one too", () => assert.doesNotMatch(formatConfig(config, null, NOW_MS), /published/));
});
