// Micro-benchmarks of what runs most: the scan of a heartbeat against its full decode, the session step, and a
// rollout's plan over 10,000 agents. Prints microseconds per call, the median of several rounds.

import { create } from "@bufbuild/protobuf";
import { initialStatus, NO_PEERS, plan } from "@muster/fleet";
import { aCohortAgent, anAgent, aRollout, aUid, stages } from "@muster/fleet/builders";
import { createReportScan, decodeAgentBody, encodeAgentBody, scanReport } from "@muster/protocol";
import { AgentToServerSchema } from "@muster/protocol/opamp";

/** One line of the table. */
export interface MicroResult {
  readonly name: string;
  readonly microsPerCall: number;
  /** Slowest and fastest round. */
  readonly spreadMicros: readonly [min: number, max: number];
}

const ROUNDS = 7;

/** Runs them all; takes a few seconds. */
export function runMicro(): readonly MicroResult[] {
  const uid = Buffer.from("01890a5dac96774bbcceb302099a8057", "hex");
  const heartbeat = encodeAgentBody(
    create(AgentToServerSchema, { instanceUid: uid, sequenceNum: 1234n, capabilities: 0x3fn }),
  );
  const scan = createReportScan();
  const spec = aRollout(stages(10, 50, 100));
  const cohort = Array.from({ length: 10_000 }, (_, n) => aCohortAgent(spec, anAgent({ uid: aUid(n) }), false));
  const status = initialStatus(spec);
  const nothingElse = {
    removedCount: 0,
    wave: [],
    readings: [],
    calendars: [],
    peers: NO_PEERS,
    quarantine: null,
    fleetLostAtMs: 0,
  };
  return [
    measure("scan a 24-byte heartbeat", 200_000, () => scanReport(heartbeat, 0, scan)),
    measure("decode the same in full", 100_000, () => decodeAgentBody(heartbeat)),
    measure("plan a rollout over 10,000 agents", 5, () =>
      plan({ ...nothingElse, spec, status, cohort, nowMs: 100_000 }),
    ),
  ];
}

function measure(name: string, calls: number, call: () => unknown): MicroResult {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const startedAtMs = performance.now();
    for (let i = 0; i < calls; i++) call();
    const micros = ((performance.now() - startedAtMs) * 1000) / calls;
    if (round > 0) rounds.push(micros); // the first round warms up
  }
  rounds.sort((a, b) => a - b);
  const [min = 0, median = 0, max = 0] = [rounds[0], rounds[Math.floor(ROUNDS / 2)], rounds.at(-1)];
  return { name, microsPerCall: median, spreadMicros: [min, max] };
}
