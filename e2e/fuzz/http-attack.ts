// POST after POST to a gateway: bodies as over a WebSocket, compressed well, badly and as bombs, with headers that say
// otherwise, and now and then bytes that are no HTTP at all.

import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { decodeServerBody, ProtocolError } from "@muster/protocol";
import type { Tally } from "./campaign.ts";
import type { Dice } from "./dice.ts";
import { aBody } from "./messages.ts";
import { aMetricsBody, judgeMetrics } from "./metrics-body.ts";
import { mutate } from "./mutate.ts";

const AGENTS = 24;
const TIMEOUT_MS = 20_000;
/** What a gateway may answer a POST with. */
const STATUSES = new Set([200, 400, 413, 415, 503]);

/** What is POSTed where, and how its answers are judged. */
export interface HttpTarget {
  readonly url: string;
  bodyOf(dice: Dice, uid: Uint8Array): Uint8Array;
  judge(status: number, encoding: string | undefined, body: Uint8Array, tally: Tally): void;
}

/** OpAMP over plain HTTP. */
export function opampTarget(url: string): HttpTarget {
  return { url, bodyOf: (dice, uid) => aBody(dice, uid, BigInt(dice.roll(100))), judge };
}

/** Agents' own metrics, at the same gateway. */
export function metricsTarget(opampUrl: string): HttpTarget {
  return { url: new URL("/v1/metrics", opampUrl).href, bodyOf: aMetricsBody, judge: judgeMetrics };
}

/** Attacks until the tally is full. */
export async function attackHttp(target: HttpTarget, dice: Dice, tally: Tally): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const uids = Array.from({ length: AGENTS }, () => Buffer.from(randomUUID().replaceAll("-", ""), "hex"));
  let last: Uint8Array = new Uint8Array();
  while (tally.wants()) {
    const uid = uids[dice.roll(AGENTS)] ?? new Uint8Array();
    const body = mutate(dice, target.bodyOf(dice, uid), last);
    last = body;
    tally.input();
    if (dice.chance(2)) await sendNonsense(target.url, dice, body);
    else await post(target, agent, { body: encoded(dice, body), headers: headersOf(dice, uid) }, tally);
  }
  agent.destroy();
}

function headersOf(dice: Dice, uid: Uint8Array): Record<string, string> {
  const types = [
    "application/x-protobuf",
    "application/x-protobuf",
    "Application/X-Protobuf; a=b",
    "text/plain",
  ] as const;
  return {
    "content-type": dice.chance(90) ? types[0] : dice.pick(types),
    ...(dice.chance(30) && { "content-encoding": dice.pick(["gzip", "GZIP", "identity", "br"]) }),
    ...(dice.chance(30) && { "accept-encoding": dice.pick(["gzip", "gzip;q=0", "*", ";;q=", "identity"]) }),
    ...(dice.chance(30) && {
      "opamp-instance-uid": dice.pick([Buffer.from(uid).toString("hex"), randomUUID(), "nobody"]),
    }),
  };
}

function encoded(dice: Dice, body: Uint8Array): Uint8Array {
  switch (dice.roll(6)) {
    case 0:
      return gzipSync(body);
    case 1:
      return gzipSync(body).subarray(0, dice.roll(40));
    case 2:
      return dice.chance(5) ? gzipSync(new Uint8Array(20 * 1024 * 1024)) : body;
    default:
      return body;
  }
}

interface Post {
  readonly body: Uint8Array;
  readonly headers: Record<string, string>;
}

function post(target: HttpTarget, agent: Agent, { body, headers }: Post, tally: Tally): Promise<void> {
  return new Promise((resolve) => {
    const call = request(target.url, { method: "POST", agent, headers, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.on("end", () => {
        target.judge(response.statusCode ?? 0, response.headers["content-encoding"], Buffer.concat(chunks), tally);
        resolve();
      });
    });
    call.on("timeout", () => {
      tally.broken("a POST was not answered");
      call.destroy();
    });
    // A connection that the server closed while it was idle, or after an oversized body.
    call.on("error", () => resolve());
    call.end(body);
  });
}

function judge(status: number, encoding: string | undefined, body: Uint8Array, tally: Tally): void {
  if (!STATUSES.has(status)) return tally.broken(`a POST was answered with ${status}`);
  const isOpamp = (status === 200 || status === 400) && encoding === undefined && body.byteLength > 0;
  if (!isOpamp) return;
  const message = decodeServerBody(body);
  if (message instanceof ProtocolError) tally.broken(`an answer cannot be read: ${message.message}`);
  else tally.answer(message);
}

/** A request line, some headers and a body that do not fit together; ends when the server has enough of it. */
function sendNonsense(url: string, dice: Dice, body: Uint8Array): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  const head = dice.pick([
    `POST ${pathname} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9999\r\n\r\n`,
    `POST ${pathname} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
    `POST ${pathname} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n`,
    `POST ${pathname} HTTP/9.9\r\n\r\n`,
    `GET ${pathname} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n`,
    "\u0000\u0001\u0002\r\n\r\n",
  ]);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(head);
      socket.end(body);
    });
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on("data", () => undefined);
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
  });
}
