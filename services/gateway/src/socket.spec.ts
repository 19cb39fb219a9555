import assert from "node:assert/strict";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { until } from "@muster/testkit";
import { WebSocket } from "ws";
import {
  type Connection,
  type Exchange,
  openSockets,
  type PostRoute,
  type SocketHandlers,
  type Sockets,
} from "./socket.ts";
import { NO_WEBSOCKETS } from "./spec-handlers.ts";

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

describe("plain HTTP of the gateway", () => {
  const TYPE = "application/x-protobuf";
  const exchanges: Exchange[] = [];
  let sockets: Sockets;
  beforeEach(async () => {
    exchanges.length = 0;
    const route: PostRoute = {
      path: "/v1/opamp",
      post: (exchange) => exchanges.push(exchange),
      unreadable: (exchange) => exchange.respond(400, Buffer.of()),
    };
    const options = { host: "127.0.0.1", port: 0, path: route.path, maxMessageBytes: 4_096 };
    sockets = await openSockets(options, {
      routes: [route],
      admit: ({ authorization }) =>
        authorization === "" ? { kind: "admitted", identity: "" } : { kind: "unauthorized" },
      ...NO_WEBSOCKETS,
    });
  });
  afterEach(() => sockets.close());

  const agent = new Agent({ keepAlive: true });
  after(() => agent.destroy());
  /** Over kept connections, so that one may be older than the leaving. */
  function post(
    body: Uint8Array,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          host: "127.0.0.1",
          port: sockets.port,
          path: "/v1/opamp",
          method: "POST",
          agent,
          signal,
          headers: { "content-type": TYPE, ...headers },
        },
        (response) => resolve(response.resume()),
      );
      request.on("error", reject).end(body);
    });
  }
  const nextExchange = (count = 1): Promise<Exchange> => until(() => exchanges[count - 1]);
  const answered = async (response: Promise<IncomingMessage>) => {
    const { statusCode, headers } = await response;
    return [statusCode, headers.connection === "close"];
  };
  const isOver = async (ending: Promise<void>): Promise<boolean> =>
    await Promise.race([ending.then(() => true), new Promise(setImmediate).then(() => false)]);

  it("keeps connections while it serves, and closes them with their answers when it leaves", async () => {
    const first = post(Buffer.of(1));
    (await nextExchange()).respond(200, Buffer.of());
    assert.deepEqual(await answered(first), [200, false]);
    sockets.stopListening();
    const second = post(Buffer.of(1));
    (await nextExchange(2)).respond(200, Buffer.of());
    assert.deepEqual(await answered(second), [200, true]);
  });

  it("answers what is under way before it ends, and takes nothing more", async () => {
    // Two connections, both older than the leaving.
    const both = [post(Buffer.of(1)), post(Buffer.of(1))];
    for (const n of [1, 2]) (await nextExchange(n)).respond(200, Buffer.of());
    await Promise.all(both);
    sockets.stopListening();
    const first = post(Buffer.of(1));
    const exchange = await nextExchange(3);
    const ending = sockets.endPosts();
    assert.deepEqual(await answered(post(Buffer.of(1))), [503, true]);
    assert.equal(exchanges.length, 3, "it was not taken in");
    assert.equal(await isOver(ending), false, "one is under way");
    exchange.respond(200, Buffer.of());
    await ending;
    assert.deepEqual(await answered(first), [200, true]);
  });

  it("takes no WebSocket on an old connection when it leaves", async () => {
    const first = post(Buffer.of(1));
    (await nextExchange()).respond(200, Buffer.of());
    await first;
    sockets.stopListening();
    const peer = new WebSocket(`ws://127.0.0.1:${sockets.port}/v1/opamp`, { agent });
    const refused = new Promise((resolve) =>
      peer.on("unexpected-response", (_, { statusCode }) => resolve(statusCode)),
    );
    peer.on("error", () => undefined).on("open", () => assert.fail("it was taken"));
    assert.equal(await refused, 503);
    peer.terminate();
  });

  const bomb = gzipSync(Buffer.alloc(10_000));
  const over: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["is too large", () => post(Buffer.alloc(5_000))],
    ["is too large once inflated", () => post(bomb, { "content-encoding": "gzip" })],
    ["is no gzip", () => post(Buffer.of(1, 2, 3), { "content-encoding": "gzip" })],
    ["is of another type", () => post(Buffer.of(1), { "content-type": "text/plain" })],
    ["is nobody's", () => post(Buffer.of(1), { authorization: "Bearer bad" })],
    [
      "is answered compressed",
      async () => {
        const response = post(Buffer.of(1), { "accept-encoding": "gzip" });
        (await nextExchange()).respond(200, Buffer.alloc(4_000));
        await response;
      },
    ],
    [
      "is given up by its client",
      async () => {
        const giveUp = new AbortController();
        const response = post(Buffer.of(1), {}, giveUp.signal);
        await nextExchange();
        giveUp.abort();
        await assert.rejects(response);
      },
    ],
  ];
  for (const [what, act] of over) {
    it(`waits for no POST that ${what}`, async () => {
      await act();
      const startedAtMs = performance.now();
      await sockets.endPosts();
      assert.ok(performance.now() - startedAtMs < AT_ONCE_MS / 2, "it had nothing to wait for");
    });
  }
});
