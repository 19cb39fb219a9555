// Arguments of npm start, in both of the spellings that npm leaves us.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseOptions } from "./options.ts";

const defaults = {
  agents: 40,
  ports: { opamp: 4320, management: 4321, health: 9320 },
  redisPort: undefined,
  logLevel: "info",
  help: false,
};

describe("parseOptions", () => {
  const accepted: { name: string; args?: string[]; env?: Record<string, string>; expected: object }[] = [
    { name: "nothing", expected: {} },
    { name: "a number of agents", args: ["--agents", "100"], expected: { agents: 100 } },
    { name: "no agents", args: ["--no-agents"], expected: { agents: 0 } },
    { name: "agents that npm swallowed", env: { npm_config_agents: "7" }, expected: { agents: 7 } },
    { name: "--no-agents that npm swallowed", env: { npm_config_agents: "" }, expected: { agents: 0 } },
    { name: "arguments before npm's", args: ["--agents=3"], env: { npm_config_agents: "7" }, expected: { agents: 3 } },
    {
      name: "ports",
      args: ["--opamp-port", "1", "--grpc-port", "2", "--health-port", "3", "--redis-port", "4"],
      expected: { ports: { opamp: 1, management: 2, health: 3 }, redisPort: 4 },
    },
    { name: "a log level", args: ["--log-level", "debug"], expected: { logLevel: "debug" } },
    { name: "a cry for help", args: ["-h"], expected: { help: true } },
  ];
  for (const { name, args = [], env = {}, expected } of accepted) {
    it(`takes ${name}`, () => assert.deepEqual(parseOptions(args, env), { ...defaults, ...expected }));
  }

  const refused = [
    { args: ["--agents", "many"], why: /^--agents takes a whole number from 0 to 100000, not "many"\.$/ },
    { args: ["--opamp-port", "70000"], why: /^--opamp-port takes a whole number from 1 to 65535/ },
    { args: ["--log-level", "loud"], why: /^--log-level takes one of debug, info, warn, error, not "loud"\.$/ },
    { args: ["--agnets", "5"], why: /Unknown option '--agnets'.* See npm start -- --help\./ },
  ];
  for (const { args, why } of refused) {
    it(`refuses ${args.join(" ")}`, () =>
      assert.throws(() => parseOptions(args, {}), { name: "Remedy", message: why }));
  }
});
