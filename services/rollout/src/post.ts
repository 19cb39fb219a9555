// One HTTP POST with a deadline and a limit on the answer, for prometheus.ts and webhook.ts. Redirects are not followed:
// what the operators named is who is asked. Knows nothing of what is asked; every answer is an answer, whatever its status.

import { FleetError } from "@muster/fleet";

/** What is sent. */
export interface PostRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How much patience there is. */
export interface PostLimits {
  /** For everything, up to the last byte of the answer. */
  readonly deadlineMs: number;
  /** Of the answer's body, after decompression. */
  readonly maxBytes: number;
}

/** What came back. */
export interface PostAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * Asks once. Messages name the host and nothing else of the URL, which may hold secrets.
 *
 * @throws FleetError `unavailable` when there is no whole answer in time
 */
export async function post(
  url: URL,
  request: PostRequest,
  { deadlineMs, maxBytes }: PostLimits,
  signal: AbortSignal,
): Promise<PostAnswer> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const ended = AbortSignal.any([signal, deadline]);
  try {
    const response = await fetch(url, { method: "POST", ...request, redirect: "manual", signal: ended });
    const text = await readText(response, maxBytes);
    return { status: response.status, text };
  } catch (error) {
    const fail = (sentence: string) => new FleetError("unavailable", `${url.host} ${sentence}`, { cause: error });
    if (error instanceof TooLong) throw fail(`answered more than ${maxBytes} bytes, which nobody asked for.`);
    if (signal.aborted) throw fail("was not waited for: this worker is ending.");
    if (deadline.aborted) throw fail(`gave no whole answer within ${deadlineMs / 1_000} s.`);
    throw fail(`cannot be reached: ${reasonOf(error)}.`);
  }
}

class TooLong extends Error {}

async function readText({ body }: Response, maxBytes: number): Promise<string> {
  if (body === null) return "";
  const chunks: Uint8Array[] = [];
  let length = 0;
  // What fetch answers is bytes; leaving the loop cancels the rest.
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength;
    if (length > maxBytes) throw new TooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** What fetch rejects with says "fetch failed"; why is in its cause, or in the first of several. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return (first instanceof Error ? first.message : String(first)).replace(/\.$/, "");
}
