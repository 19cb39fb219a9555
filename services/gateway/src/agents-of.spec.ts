import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aUid } from "@muster/fleet/builders";
import { createAgentsOf } from "./agents-of.ts";

describe("the agents of a connection", () => {
  it("are those that were added and not removed, however many", () => {
    const agents = createAgentsOf<object>();
    const [one, many] = [{}, {}];
    agents.add(one, aUid(1));
    agents.add(one, aUid(1));
    for (const n of [1, 2, 3]) agents.add(many, aUid(n));
    assert.deepEqual([agents.of(one), agents.of(many)], [[aUid(1)], [aUid(1), aUid(2), aUid(3)]]);
    agents.remove(many, aUid(2));
    agents.remove(one, aUid(2));
    assert.deepEqual([agents.count(one), agents.count(many)], [1, 2]);
    agents.remove(one, aUid(1));
    agents.remove(many, aUid(1));
    agents.remove(many, aUid(3));
    assert.deepEqual([agents.of(one), agents.of(many), agents.count(one), agents.count(many)], [[], [], 0, 0]);
  });

  it("are nobody after it is forgotten, or before anybody came", () => {
    const agents = createAgentsOf<object>();
    const connection = {};
    assert.deepEqual([agents.of(connection), agents.count(connection)], [[], 0]);
    agents.add(connection, aUid(1));
    agents.forget(connection);
    assert.deepEqual([agents.of(connection), agents.count(connection)], [[], 0]);
  });
});
