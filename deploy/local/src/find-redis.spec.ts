// Which server is found in PATH, and the one line when none can be had.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ensureRedisServer, findServer } from "./find-redis.ts";

describe("findServer", () => {
  let dir = "";
  const place = (name: string, mode: number) => {
    mkdirSync(join(dir, name, ".."), { recursive: true });
    writeFileSync(join(dir, name), "#!/bin/sh\n");
    chmodSync(join(dir, name), mode);
  };
  const pathOf = (...folders: string[]) => folders.map((folder) => join(dir, folder)).join(delimiter);
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "muster-find-"));
    mkdirSync(join(dir, "empty"));
    place("redis/redis-server", 0o755);
    place("valkey/valkey-server", 0o755);
    place("broken/redis-server", 0o644);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const cases = [
    { name: "Redis", folders: ["empty", "redis"], expected: "redis/redis-server" },
    { name: "Valkey", folders: ["empty", "valkey"], expected: "valkey/valkey-server" },
    { name: "Redis before Valkey, wherever they are", folders: ["valkey", "redis"], expected: "redis/redis-server" },
    { name: "nothing that cannot be executed", folders: ["broken"], expected: null },
    { name: "nothing in folders that do not exist", folders: ["missing"], expected: null },
  ];
  for (const c of cases) {
    it(`finds ${c.name}`, () => {
      assert.equal(findServer(pathOf(...c.folders)), c.expected === null ? null : join(dir, c.expected));
    });
  }

  it("takes what is there instead of installing", () => {
    assert.equal(ensureRedisServer("", pathOf("redis")), join(dir, "redis/redis-server"));
  });

  it("says in one line what to install where it cannot do it itself", () => {
    assert.throws(() => ensureRedisServer(", or set REDIS_URL", pathOf("empty")), {
      name: "Remedy",
      message:
        /^neither redis-server nor valkey-server was found; install one \(.*apt-get install redis-server.*\), or set REDIS_URL\.$/,
    });
  });
});
