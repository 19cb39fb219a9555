// What npm start refuses before it starts anything: one clear line that names the remedy, exit code 1, nothing left.
// The running stack is tested end to end.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { freePort, guard } from "@muster/testkit";

describe("npm start", () => {
  let stateDir = "";
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), "muster-start-"));
  });
  afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

  const start = async (args: string[], env: Record<string, string> = {}) => {
    const child = spawn(process.execPath, [new URL("start.ts", import.meta.url).pathname, ...args], {
      env: { PATH: process.env["PATH"], MUSTER_STATE_DIR: stateDir, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    guard(child);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    const [code] = await once(child, "close");
    return { code, stdout, stderr };
  };
  const freePorts = async () => {
    const [opamp, grpc, health] = [await freePort(), await freePort(), await freePort()];
    return ["--opamp-port", `${opamp}`, "--grpc-port", `${grpc}`, "--health-port", `${health}`];
  };

  it("prints its options", async () => {
    const { code, stdout } = await start(["--help"]);
    assert.equal(code, 0);
    assert.match(stdout, /--no-agents/);
  });

  it("refuses an option it does not know", async () => {
    const { code, stderr } = await start(["--fleet", "5"]);
    assert.equal(code, 1);
    assert.match(stderr, /^muster: Unknown option '--fleet'.*--help\.\n$/);
  });

  it("refuses a port in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? `${address?.port}` : "";
    const { code, stdout, stderr } = await start([...(await freePorts()), "--opamp-port", port]);
    server.close();
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`^muster: port ${port} \\(OpAMP\\) is in use; .*npm start -- --opamp-port N\\.\\n$`),
    );
    assert.equal(stdout, "");
    assert.deepEqual(readdirSync(stateDir), []);
  });

  it("refuses a REDIS_URL that does not answer", async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const { code, stderr } = await start(await freePorts(), { REDIS_URL: url });
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^muster: no usable Redis at ${url}: .*unset it to use a local one\\.\\n$`));
  });

  it("refuses to run twice on one state folder", async () => {
    const running = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", "start.ts"], { stdio: "ignore" });
    guard(running);
    await once(running, "spawn");
    writeFileSync(join(stateDir, "start.pid"), `${running.pid}\n`);
    const { code, stderr } = await start(await freePorts());
    running.kill("SIGKILL");
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`^muster: Muster is running from this folder already \\(process ${running.pid}\\)`),
    );
  });
});
