import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { after, describe, it } from "node:test";
import { freePort } from "@muster/testkit";
import { whyNotGiven } from "./server.ts";

/** More than any Linux gives out. */
const NOBODY = 2 ** 22 + 1;

describe("a server that is named", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const at = (listening: number): string => `ws://127.0.0.1:${listening}/v1/opamp`;

  it("is measured when the process listens there", () => {
    assert.equal(whyNotGiven({ name: "other", url: at(port), pid: process.pid }), null);
  });

  it("is not when the process is none", () => {
    assert.match(whyNotGiven({ name: "other", url: at(port), pid: NOBODY }) ?? "", /no process 4194305/);
  });

  it("is not when nobody listens", async () => {
    assert.match(whyNotGiven({ name: "other", url: at(await freePort()), pid: process.pid }) ?? "", /nobody listens/);
  });

  it("is not when somebody else listens", () => {
    assert.match(whyNotGiven({ name: "other", url: at(port), pid: process.ppid }) ?? "", /not process/);
  });
});
