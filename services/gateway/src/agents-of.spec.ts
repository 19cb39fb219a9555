import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addAgent, agentsOf, type Carrier, countAgents, onlyAgent, removeAgent } from "./agents-of.ts";

const [a, b, c] = [{ n: 1 }, { n: 2 }, { n: 3 }];
const nobody = (): Carrier<object> => ({ carried: null });

describe("the agents of a connection", () => {
  it("are those that were added and not removed, however many", () => {
    const [one, many] = [nobody(), nobody()];
    addAgent(one, a);
    addAgent(one, a);
    for (const agent of [a, b, c, b]) addAgent(many, agent);
    assert.deepEqual([agentsOf(one), agentsOf(many)], [[a], [a, b, c]]);
    removeAgent(many, b);
    removeAgent(one, b);
    assert.deepEqual([countAgents(one), countAgents(many), onlyAgent(one)], [1, 2, a]);
    removeAgent(one, a);
    removeAgent(many, a);
    removeAgent(many, c);
    assert.deepEqual([agentsOf(one), agentsOf(many), countAgents(one), countAgents(many)], [[], [], 0, 0]);
  });

  it("are nobody before anybody came", () => {
    const connection = nobody();
    removeAgent(connection, a);
    assert.deepEqual([agentsOf(connection), countAgents(connection), onlyAgent(connection)], [[], 0, null]);
  });

  it("are one for certain where there is no other, any more", () => {
    const connection = nobody();
    addAgent(connection, a);
    assert.equal(onlyAgent(connection), a);
    removeAgent(connection, a);
    addAgent(connection, b);
    assert.equal(onlyAgent(connection), b);
    addAgent(connection, c);
    assert.equal(onlyAgent(connection), null);
    removeAgent(connection, c);
    assert.deepEqual([onlyAgent(connection), agentsOf(connection)], [b, [b]]);
    removeAgent(connection, b);
    assert.deepEqual([onlyAgent(connection), countAgents(connection)], [null, 0]);
  });
});
