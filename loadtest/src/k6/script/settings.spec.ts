import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readManagement, readSettings, sourcesNeeded, toHttp } from "./settings.ts";

const ADDRESS = "wss://muster.example:4320/v1/opamp";
const read = (env: Record<string, string>) => readSettings(env, ["ws", "wss"], { MAX_X_MS: 5, AGENTS: 10 });

describe("settings of a script", () => {
  it("has defaults for everything but the address, and a script's own win", () => {
    const settings = read({ ADDRESS });
    assert.deepEqual(settings.addresses, [ADDRESS]);
    assert.equal(settings.token, undefined);
    assert.equal(settings.AGENTS, 10);
    assert.equal(settings.HEARTBEAT_SECONDS, 30);
    assert.equal(settings.MAX_X_MS, 5);
  });

  it("takes what it is told", () => {
    const settings = read({
      ADDRESS: `${ADDRESS}, ws://b`,
      TOKEN: "t",
      AGENTS: "7",
      MAX_X_MS: "0.5",
      RAMP_SECONDS: "0",
    });
    assert.deepEqual(settings.addresses, [ADDRESS, "ws://b"]);
    assert.equal(settings.token, "t");
    assert.equal(settings.AGENTS, 7);
    assert.equal(settings.MAX_X_MS, 0.5);
    assert.equal(settings.RAMP_SECONDS, 0);
  });

  it("has a shorter ramp in a short run, unless it is told one", () => {
    assert.equal(read({ ADDRESS }).RAMP_SECONDS, 30);
    assert.equal(read({ ADDRESS, DURATION_SECONDS: "10" }).RAMP_SECONDS, 2.5);
    assert.equal(read({ ADDRESS, DURATION_SECONDS: "10", RAMP_SECONDS: "9" }).RAMP_SECONDS, 9);
  });

  it("tells all problems at once, each with what to do", () => {
    const said =
      /ADDRESS is missing; e\.g\. -e ADDRESS=wss:.*AGENTS takes a whole number from 1 to 10000000, not "x"; e\.g\. -e AGENTS=10/s;
    assert.throws(
      () => read({ AGENTS: "x" }),
      ({ message }: Error) => said.test(message.split("\n").toSorted().join("\n")),
    );
  });

  const wrong = [
    { ADDRESS: "" },
    { ADDRESS: "http://a" },
    { ADDRESS: "muster.example:4320" },
    { ADDRESS: "ws://a,," },
    { ADDRESS: "ws://a:432O/v1/opamp" },
    { ADDRESS: "ws://[::1/v1/opamp" },
    { ADDRESS: "ws://a:4320/v1/opamp#x" },
    { AGENTS: "0" },
    { AGENTS: "1.5" },
    { AGENTS: "1e9" },
    { HEARTBEAT_SECONDS: "0" },
    { RAMP_SECONDS: "-1" },
    { RAMP_SECONDS: "120" },
    { DURATION_SECONDS: "2m" },
    { MAX_X_MS: "fast" },
    { MAX_X_MS: " " },
  ];
  for (const env of wrong) {
    it(`refuses ${JSON.stringify(env)}`, () => {
      assert.throws(() => read({ ADDRESS, ...env }), new RegExp(`${Object.keys(env)[0]}.*; e\\.g\\.`));
    });
  }
});

it("refuses a limit that the script does not have", () => {
  assert.throws(() => read({ ADDRESS, MAX_X: "5" }), /MAX_X is no limit of this script, which has MAX_X_MS/);
});

describe("the management API of a script", () => {
  it("is host and port, with TLS when that is said", () => {
    assert.deepEqual(readManagement({ MANAGEMENT: "a:1" }), { address: "a:1", isTls: false });
    assert.deepEqual(readManagement({ MANAGEMENT: "[::1]:1", MANAGEMENT_TLS: "true" }), {
      address: "[::1]:1",
      isTls: true,
    });
  });

  for (const env of [
    {},
    { MANAGEMENT: "http://a:1" },
    { MANAGEMENT: "a" },
    { MANAGEMENT: "a:1", MANAGEMENT_TLS: "1" },
  ]) {
    it(`refuses ${JSON.stringify(env)}`, () => assert.throws(() => readManagement(env), /MANAGEMENT/));
  }
});

it("reaches OpAMP over plain HTTP at the place of the WebSocket", () => {
  assert.equal(toHttp(ADDRESS), "https://muster.example:4320/v1/opamp");
  assert.equal(toHttp("ws://a"), "http://a");
  assert.equal(toHttp("https://ws.example"), "https://ws.example");
});

it("counts one source address for each 20,000 agents", () => {
  assert.deepEqual([1, 20_000, 20_001, 50_000].map(sourcesNeeded), [1, 1, 2, 3]);
});
