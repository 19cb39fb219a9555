// What is refused before anything starts: taken ports, and a second run on the same state.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { freePort } from "@muster/testkit";
import { assertPortsFree, lockState } from "./preflight.ts";

describe("assertPortsFree", () => {
  let server: Server;
  let taken = 0;
  before(async () => {
    taken = await freePort();
    server = createServer().listen(taken, "0.0.0.0");
    await new Promise((resolve) => server.once("listening", resolve));
  });
  after(() => server.close());

  it("passes when all are free", async () => {
    await assertPortsFree([{ port: await freePort(), what: "OpAMP", option: "--opamp-port" }]);
  });

  it("names the port, what it is for, and the option that moves it", async () => {
    const wanted = [
      { port: await freePort(), what: "management API", option: "--grpc-port" },
      { port: taken, what: "OpAMP", option: "--opamp-port" },
    ];
    await assert.rejects(assertPortsFree(wanted), {
      name: "Remedy",
      message: `port ${taken} (OpAMP) is in use; stop what listens there (ss -ltnp shows it) or choose others: npm start -- --opamp-port N.`,
    });
  });
});

describe("lockState", () => {
  const dir = mkdtempSync(join(tmpdir(), "muster-lock-"));
  const file = join(dir, "start.pid");
  after(() => rmSync(dir, { recursive: true, force: true }));

  it("takes the folder and gives it back", () => {
    const release = lockState(dir);
    assert.equal(readFileSync(file, "utf8"), `${process.pid}\n`);
    release();
    assert.throws(() => readFileSync(file), /ENOENT/);
  });

  it("takes over from a run that is gone, and from an id that means something else now", () => {
    for (const pid of [4_194_303, 1]) {
      writeFileSync(file, `${pid}\n`);
      lockState(dir)();
    }
  });
});
