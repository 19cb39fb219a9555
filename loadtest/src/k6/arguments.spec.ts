import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseArguments } from "./arguments.ts";

describe("arguments of the k6 runner", () => {
  const right = [
    {
      name: "takes a script alone and means a Muster of its own",
      args: ["connect-storm"],
      is: { script: "connect-storm", deployment: null, gateways: 2, env: {}, localIps: null },
    },
    {
      name: "hands sizes on as variables, and what is set by name wins",
      args: ["status-churn", "--agents", "500", "--set", "AGENTS=7", "--duration-seconds", "9", "--set", "SEED=3"],
      is: {
        script: "status-churn",
        deployment: null,
        gateways: 2,
        env: { AGENTS: "7", DURATION_SECONDS: "9", SEED: "3" },
        localIps: null,
      },
    },
    {
      name: "takes a deployment",
      args: ["http-polling", "--address", "https://a/v1/opamp", "--token", "secret"],
      is: {
        script: "http-polling",
        deployment: { address: "https://a/v1/opamp", token: "secret", management: undefined },
        gateways: 2,
        env: {},
        localIps: null,
      },
    },
    {
      name: "takes the smoke with its gateways",
      args: ["smoke", "--gateways", "3"],
      is: { script: "smoke", deployment: null, gateways: 3, env: {}, localIps: null },
    },
  ];
  for (const { name, args, is } of right) it(name, () => assert.deepEqual(parseArguments(args), is));

  const wrong = [
    { args: [], says: /one script is needed/ },
    { args: ["storm"], says: /not "storm"/ },
    { args: ["connect-storm", "gateway-loss"], says: /one script is needed/ },
    { args: ["connect-storm", "--agent", "5"], says: /--agent/ },
    { args: ["connect-storm", "--token", "t"], says: /go with --address/ },
    { args: ["connect-storm", "--address", "ws://a", "--gateways", "3"], says: /leave it out/ },
    { args: ["connect-storm", "--set", "agents=5"], says: /NAME=VALUE/ },
    { args: ["gateway-loss", "--gateways", "1"], says: /from 2 to 64/ },
    { args: ["connect-storm", "--gateways", "x"], says: /whole number/ },
    { args: ["smoke", "--agents", "5"], says: /its own sizes/ },
    { args: ["smoke", "--address", "ws://a"], says: /its own sizes/ },
  ];
  for (const { args, says } of wrong) {
    it(`refuses "${args.join(" ")}"`, () => {
      const sentence = parseArguments(args);
      assert.ok(typeof sentence === "string");
      assert.match(sentence, says);
    });
  }
});
