// The parts of a stack that need no services: its key and its environment. The stack itself is tested end to end.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ensureEncryptionKey, withoutSettings } from "./stack.ts";

describe("ensureEncryptionKey", () => {
  it("makes 32 bytes once, for the owner alone", () => {
    const dir = mkdtempSync(join(tmpdir(), "muster-key-"));
    const key = ensureEncryptionKey(dir);
    assert.equal(Buffer.from(key, "base64").length, 32);
    assert.equal(ensureEncryptionKey(dir), key);
    assert.equal(statSync(join(dir, "encryption-key")).mode & 0o777, 0o600);
    rmSync(dir, { recursive: true });
  });
});

describe("withoutSettings", () => {
  it("takes away what would configure a service, and what npm left", () => {
    const env = { PATH: "/bin", HOME: "/h", REDIS_URL: "x", MUSTER_GATEWAY_ID: "x", npm_config_cache: "x" };
    assert.deepEqual(withoutSettings(env), { PATH: "/bin", HOME: "/h" });
  });
});
