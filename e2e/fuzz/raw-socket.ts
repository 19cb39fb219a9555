// A WebSocket client by hand, so that frames can be split, joined, fragmented and broken at will: what a library would
// never send. Reads what the server sends, frame by frame (RFC 6455, 5.2; a server's frames are not masked).

import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

/** A frame of the server. */
export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** An upgraded socket. */
export interface RawSocket {
  write(bytes: Uint8Array): void;
  readonly isClosed: boolean;
  close(): void;
}

const OPEN_TIMEOUT_MS = 10_000;
export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One masked frame of a client; `isLast` false begins or goes on with a fragmented message. */
export function frame(opcode: number, payload: Uint8Array, isLast = true, reserved = 0): Uint8Array {
  const length = payload.byteLength;
  const head = [(isLast ? 0x80 : 0) | (reserved << 4) | opcode];
  if (length < 126) head.push(0x80 | length);
  else if (length < 65_536) head.push(0x80 | 126, length >> 8, length & 0xff);
  else head.push(0x80 | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff);
  // A mask of zeros is a mask.
  return Buffer.concat([Uint8Array.from(head), new Uint8Array(4), payload]);
}

/** Opens a WebSocket. Rejects when the server does not upgrade. */
export function openRawSocket(
  url: string,
  onFrame: (frame: ServerFrame) => void,
  onClose: () => void,
): Promise<RawSocket> {
  const { hostname, port, pathname, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    let isUpgraded = false;
    const timer = setTimeout(() => socket.destroy(new Error("no upgrade in time")), OPEN_TIMEOUT_MS);
    socket.on("error", reject); // after the upgrade a reset is a close like any other
    socket.on("close", () => {
      clearTimeout(timer);
      reject(new Error("closed before the upgrade"));
      if (isUpgraded) onClose();
    });
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (!isUpgraded) {
        const end = received.indexOf("\r\n\r\n");
        if (end < 0) return;
        const status = received.subarray(0, end).toString().split("\r\n")[0] ?? "";
        received = received.subarray(end + 4);
        if (!status.includes(" 101 ")) return void socket.destroy(new Error(status));
        isUpgraded = true;
        clearTimeout(timer);
        resolve(asRawSocket(socket));
      }
      received = takeFrames(received, onFrame);
    });
    const key = randomBytes(16).toString("base64");
    const lines = [`GET ${pathname} HTTP/1.1`, `host: ${host}`, "upgrade: websocket", "connection: upgrade"];
    socket.write(`${[...lines, `sec-websocket-key: ${key}`, "sec-websocket-version: 13"].join("\r\n")}\r\n\r\n`);
  });
}

function asRawSocket(socket: Socket): RawSocket {
  return {
    write(bytes) {
      if (!socket.destroyed) socket.write(bytes);
    },
    get isClosed() {
      return socket.destroyed;
    },
    close: () => socket.destroy(),
  };
}

function takeFrames(received: Buffer, onFrame: (frame: ServerFrame) => void): Buffer {
  let at = 0;
  for (;;) {
    const [first, second] = [received[at], received[at + 1]];
    if (first === undefined || second === undefined) break;
    let length = second & 0x7f;
    let start = at + 2;
    if (length === 126) {
      if (received.byteLength < at + 4) break;
      length = received.readUInt16BE(at + 2);
      start = at + 4;
    } else if (length === 127) {
      if (received.byteLength < at + 10) break;
      length = Number(received.readBigUInt64BE(at + 2));
      start = at + 10;
    }
    if (received.byteLength < start + length) break;
    onFrame({ opcode: first & 0x0f, payload: received.subarray(start, start + length) });
    at = start + length;
  }
  return received.subarray(at);
}
