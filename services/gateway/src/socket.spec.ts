import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { until } from "@muster/testkit";
import { WebSocket } from "ws";
import { type Connection, openSockets, type SocketHandlers, type Sockets } from "./socket.ts";

/** A ping is given up after two seconds; a pong takes far less. */
const AT_ONCE_MS = 1_000;

describe("a WebSocket of the gateway", () => {
  let sockets: Sockets;
  const opened: Connection[] = [];
  const peers: WebSocket[] = [];
  const unexpected = (): never => assert.fail("nothing was said");
  const handlers: SocketHandlers = {
    admit: () => ({ kind: "admitted", identity: "" }),
    opened: (connection) => opened.push(connection),
    message: unexpected,
    text: unexpected,
    oversized: unexpected,
    overloadedS: () => 1,
    closed: () => undefined,
    routes: [],
  };
  before(async () => {
    sockets = await openSockets({ host: "127.0.0.1", port: 0, path: "/v1/opamp", maxMessageBytes: 1_024 }, handlers);
  });
  afterEach(() => {
    for (const peer of peers.splice(0)) peer.terminate();
    opened.length = 0;
  });
  after(() => sockets.close());

  async function connect(): Promise<{ readonly peer: WebSocket; readonly connection: Connection }> {
    const peer = new WebSocket(`ws://127.0.0.1:${sockets.port}/v1/opamp`);
    peers.push(peer);
    await new Promise((resolve, reject) => peer.on("open", resolve).on("error", reject));
    return { peer, connection: await until(() => opened[0]) };
  }

  async function pinged(connection: Connection): Promise<{ readonly isAlive: boolean; readonly tookMs: number }> {
    const startedAtMs = performance.now();
    const isAlive = await connection.ping();
    return { isAlive, tookMs: performance.now() - startedAtMs };
  }

  it("is alive while its peer answers pings, however many at once (R142)", async () => {
    const { connection } = await connect();
    for (const { isAlive, tookMs } of await Promise.all([pinged(connection), pinged(connection)])) {
      assert.ok(isAlive && tookMs < AT_ONCE_MS, `after ${tookMs} ms`);
    }
    assert.equal(await connection.ping(), true, "again");
  });

  it("is taken for dead when its peer has stopped, though the connection stands (R142)", async () => {
    const { peer, connection } = await connect();
    peer.pause();
    assert.equal(await connection.ping(), false);
    assert.equal(connection.isClosed, false);
    peer.resume();
    assert.equal(await connection.ping(), true, "and for alive when it goes on");
  });

  it("is dead when it closes before the pong, and afterwards (R142)", async () => {
    const { peer, connection } = await connect();
    peer.pause();
    const waiting = pinged(connection);
    peer.terminate();
    const { isAlive, tookMs } = await waiting;
    assert.ok(!isAlive && tookMs < AT_ONCE_MS, `after ${tookMs} ms`);
    assert.equal(connection.isClosed, true);
    assert.equal(await connection.ping(), false);
  });
});
