import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { k6Arguments, loopbackSources, secretEnv, settingsOf, withoutSettings } from "./command.ts";

describe("the command line of k6", () => {
  const run = { file: "/x/connect-storm.js", env: { AGENTS: "25000", TOKEN: "secret" }, isLocal: true, localIps: null };

  it("gives loopback as many source addresses as its ports demand", () => {
    assert.deepEqual(k6Arguments(run), [
      "run",
      "--no-usage-report",
      "--quiet",
      "--local-ips",
      "127.0.0.2-127.0.0.4",
      "-e",
      "AGENTS=25000",
      "/x/connect-storm.js",
    ]);
  });

  it("leaves the source addresses of another machine to its operator", () => {
    assert.ok(!k6Arguments({ ...run, isLocal: false }).includes("--local-ips"));
  });

  it("takes the addresses that it is given", () => {
    assert.ok(k6Arguments({ ...run, isLocal: false, localIps: "10.0.0.5-10.0.0.9" }).includes("10.0.0.5-10.0.0.9"));
  });

  it("keeps settings of the shell from scripts, and everything else not", () => {
    const settings = settingsOf("const settings = readSettings(__ENV, [], {\n  POLL_SECONDS: 30,\n});\n");
    const shell = {
      PATH: "/bin",
      AGENTS: "5",
      POLL_SECONDS: "1",
      MAX_ANYTHING: "1",
      CHANGE_SECONDS: "of another script",
    };
    assert.deepEqual(withoutSettings(shell, settings), { PATH: "/bin", CHANGE_SECONDS: "of another script" });
  });

  it("shows the token to k6 alone", () => {
    assert.ok(!k6Arguments(run).join(" ").includes("secret"));
    assert.deepEqual(secretEnv(run), { TOKEN: "secret" });
    assert.deepEqual(secretEnv({ ...run, env: {} }), {});
  });

  const cases = [
    { agents: 1, is: null },
    { agents: 10_000, is: null },
    { agents: 10_001, is: "127.0.0.2-127.0.0.3" },
    { agents: 100_000, is: "127.0.0.2-127.0.0.11" },
    { agents: 9_000_000, is: "127.0.0.2-127.0.0.250" },
    { agents: Number.NaN, is: null },
  ];
  for (const { agents, is } of cases) {
    it(`spreads ${agents} agents over ${is ?? "the usual address"}`, () => assert.equal(loopbackSources(agents), is));
  }
});
