// What the k6 scripts import as loadtest/k6/gen/bundle.js (bundle.ts makes it): k6 runs neither TypeScript of ours nor
// packages of npm, and a checkout must be enough to run a script.

import "./text-encoding.ts";

export { frameOf, ProtocolError, parseFrameHeader } from "@muster/protocol";
export { backoffMs, OPAMP_BACKOFF, parseRetryAfter, retryMs } from "@muster/simulator";
export {
  changeConfig,
  changeHealth,
  createAgent,
  finishApplying,
  reportDisconnect,
  reportEverything,
  reportHeartbeat,
  reportOnConnect,
  takeOffer,
  takeUid,
} from "./agent.ts";
export { decodeReply } from "./report.ts";
export { readManagement, readSettings, sourcesNeeded, toHttp } from "./settings.ts";
