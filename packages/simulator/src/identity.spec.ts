// Identities: the same seed makes the same fleet, no two agents share a uid.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { validate, version } from "uuid";
import { createIdentity } from "./identity.ts";

describe("createIdentity", () => {
  it("depends on seed and index alone", () => {
    assert.deepEqual(createIdentity(7, 3), createIdentity(7, 3));
    assert.notEqual(createIdentity(7, 3).uid, createIdentity(8, 3).uid);
  });

  it("gives thousands of agents of several seeds different UUIDv7s", () => {
    const uids = [1, 2, 3].flatMap((seed) =>
      Array.from({ length: 3000 }, (_, index) => createIdentity(seed, index).uid),
    );
    assert.equal(new Set(uids).size, uids.length);
    assert.ok(uids.every((uid) => validate(uid) && version(uid) === 7));
  });

  it("describes a believable mix of machines", () => {
    const fleet = Array.from({ length: 1000 }, (_, index) => new Map(createIdentity(1, index).other));
    for (const [key, values] of [
      ["env", ["dev", "prod", "staging"]],
      ["region", ["ap", "eu", "us"]],
      ["os.type", ["linux", "windows"]],
    ] as const) {
      assert.deepEqual([...new Set(fleet.map((attributes) => attributes.get(key)))].sort(), values);
    }
    assert.ok(fleet.filter((attributes) => attributes.get("env") === "prod").length > 400);
    assert.equal(new Set(fleet.map((attributes) => attributes.get("host.name"))).size, 1000);
  });
});
