// Watches that outlive a server: where a stream that had begun is cut, it is opened again, wherever it had got to.
// A server that never answered is a failure at once.

import { Code, ConnectError } from "@connectrpc/connect";
import { isServersWord } from "./failure.ts";

/** What a steady stream needs. */
export interface SteadyDeps {
  readonly signal: AbortSignal;
  nowMs(): number;
  delay(ms: number, signal: AbortSignal): Promise<void>;
  /** Told once per cut. */
  onLost(): void;
}

const RETRY_MS = 1_000;
/** A server that is away for longer is given up. */
const PATIENCE_MS = 120_000;

/** Messages of the stream that `open` opens, and opens again; it must remember where to go on by itself. */
export async function* steady<Message>(open: () => AsyncIterable<Message>, deps: SteadyDeps): AsyncGenerator<Message> {
  let heardAtMs: number | null = null;
  let isLost = false;
  for (;;) {
    try {
      for await (const message of open()) {
        heardAtMs = deps.nowMs();
        isLost = false;
        yield message;
      }
      return;
    } catch (error) {
      const isHopeless = heardAtMs === null || deps.nowMs() - heardAtMs > PATIENCE_MS;
      if (deps.signal.aborted || isHopeless || !isCut(error)) throw error;
      if (!isLost) deps.onLost();
      isLost = true;
      await deps.delay(RETRY_MS, deps.signal);
    }
  }
}

/** Whether the way to the server failed, or the server said that it goes. */
function isCut(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  if (code === Code.Unavailable) return true;
  const isBroken = code === Code.Aborted || code === Code.Canceled || code === Code.Internal || code === Code.Unknown;
  return isBroken && !isServersWord(ConnectError.from(error));
}
