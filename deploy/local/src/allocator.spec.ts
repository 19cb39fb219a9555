import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { allocatorEnv } from "./allocator.ts";

describe("allocatorEnv", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "muster-allocator-"));
    writeFileSync(join(folder, "libjemalloc.so.2"), "");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("preloads jemalloc from the first folder that has it", () => {
    const env = allocatorEnv({}, ["/nowhere", folder, tmpdir()]);
    assert.deepEqual(env, { LD_PRELOAD: join(folder, "libjemalloc.so.2") });
  });

  it("says nothing where there is none", () => assert.deepEqual(allocatorEnv({}, ["/nowhere"]), {}));

  it("leaves alone what somebody preloads", () => {
    assert.deepEqual(allocatorEnv({ LD_PRELOAD: "libother.so" }, [folder]), {});
    assert.notDeepEqual(allocatorEnv({ LD_PRELOAD: "" }, [folder]), {});
  });
});
