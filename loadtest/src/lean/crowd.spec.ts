import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { until } from "@muster/testkit";
import { WebSocketServer } from "ws";
import { Crowd } from "./crowd.ts";

/** Of a server that takes everything in: a header and an empty ServerToAgent. */
const ANSWER = Buffer.of(0);
const AGENTS = 40;

describe("a crowd", () => {
  it("has everybody beat before anybody beats again, however often it stops and goes on", async (t) => {
    const heard: number[] = [];
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    t.after(() => server.close());
    let connectionCount = 0;
    server.on("connection", (socket) => {
      const number = connectionCount++;
      let isKnown = false;
      socket.on("message", () => {
        if (isKnown) heard.push(number);
        isKnown = true;
        socket.send(ANSWER);
      });
    });
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const crowd = new Crowd();
    t.after(() => crowd.obey({ kind: "stop" }));
    const urls = [`ws://127.0.0.1:${port}/v1/opamp`];
    const order = { isSpread: true, firstIndex: 0, count: AGENTS, seed: 1, configBytes: 64, applyMs: 10 };
    await crowd.obey({ kind: "prepare", urls, ...order });
    await crowd.obey({ kind: "connect", laneCount: 8 });
    while (heard.length < AGENTS) {
      const enough = heard.length + AGENTS / 8;
      await crowd.obey({ kind: "beat-every", periodMs: 500 });
      await until(() => heard.length >= enough);
      await crowd.obey({ kind: "beat-every", periodMs: 0 });
    }
    assert.equal(new Set(heard.slice(0, AGENTS)).size, AGENTS);
  });
});
