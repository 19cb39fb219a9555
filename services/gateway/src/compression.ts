// Whether and how a response is compressed (R16). Heartbeat answers are smaller than gzip's own header and go as they are;
// configs are what gain. Called by socket.ts.

import { promisify } from "node:util";
import { gzip } from "node:zlib";
import Negotiator from "negotiator";

/** Starts compressing a copy; null when it is not worth it or not wanted. */
type Compress = (body: Uint8Array) => Promise<Uint8Array> | null;

/** Below this, compressing costs more than it saves. */
const MIN_BYTES = 1_024;

const gzipAsync = promisify(gzip);
const AS_IT_IS: Compress = () => null;

/** What an Accept-Encoding header allows; without one, nothing but the plain body. */
export function compressFor(acceptEncoding: string): Compress {
  if (acceptEncoding === "") return AS_IT_IS;
  const [preferred] = new Negotiator({ headers: { "accept-encoding": acceptEncoding } }).encodings([
    "gzip",
    "identity",
  ]);
  if (preferred !== "gzip") return AS_IT_IS;
  return (body) => (body.byteLength < MIN_BYTES ? null : gzipAsync(body.slice()));
}
