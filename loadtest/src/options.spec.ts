import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseOptions, usage } from "./options.ts";
import { scenarios } from "./scenarios/index.ts";

const parse = (text: string) => parseOptions(text.split(" ").filter(Boolean), scenarios);

describe("parseOptions", () => {
  it("takes the scenario's sizes unless told", () => {
    const options = parse("--scenario peers --rounds 5");
    assert.ok(typeof options === "object");
    assert.deepEqual([options.scenario.name, options.agents, options.rounds], ["peers", 10_000, 5]);
  });

  it("takes other servers where servers are compared", () => {
    const options = parse("--scenario peers --smoke --server other=ws://127.0.0.1:1/v1/opamp,42");
    assert.ok(typeof options === "object");
    assert.deepEqual(options.servers, [{ name: "other", url: "ws://127.0.0.1:1/v1/opamp", pid: 42 }]);
    assert.equal(options.agents, 40);
  });

  const wrong: readonly [args: string, says: RegExp][] = [
    ["--scenario nonsense", /--scenario takes one of heartbeats, peers, .*not "nonsense"/],
    ["--agents 0", /--agents takes a whole number above 0, not "0"/],
    ["--rounds many", /--rounds takes a whole number above 0, not "many"/],
    ["--agent 5", /Unknown option '--agent'/],
    ["peers", /Unexpected argument 'peers'/],
    ["--scenario churn --server a=ws://h:1/,2", /churn compares no servers/],
    ["--scenario peers --server a=http://h:1/,2", /--server takes name=ws:\/\/address,pid/],
    ["--record --smoke", /--smoke says nothing/],
    ["--scenario peers --profile --smoke", /--smoke says nothing/],
    ["--scenario peers --record --rounds 1", /--record keeps .*3 rounds/],
    ["--scenario peers --server muster=ws://h:1/,2", /no other server has, not "muster"/],
    ["--scenario peers --server bare-pipeline=ws://h:1/,2", /not "bare-pipeline"/],
    ["--scenario peers --server a=ws://h:1/,2 --server a=ws://h:2/,3", /not "a"/],
    ["--record --profile", /--profile slows/],
  ];
  for (const [args, says] of wrong) {
    it(`says what is wrong with ${args}`, () => {
      const options = parse(args);
      assert.ok(typeof options === "string");
      assert.match(options, says);
    });
  }
});

it("the help names every scenario", () => {
  for (const { name } of scenarios) assert.ok(usage(scenarios).includes(`  ${name} `));
});
