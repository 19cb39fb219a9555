// For specs: what happens on sockets that nobody opens a WebSocket on.

import assert from "node:assert/strict";
import type { SocketHandlers } from "./socket.ts";

const unexpected = (): never => assert.fail("nobody opened a WebSocket");

/** Handlers of plain HTTP alone; the rest is each spec's own. */
export const NO_WEBSOCKETS: Omit<SocketHandlers, "admit" | "routes"> = {
  opened: unexpected,
  message: unexpected,
  text: unexpected,
  oversized: unexpected,
  overloadedS: () => 1,
  closed: unexpected,
};
