// Muster alone, round after round: each round has processes of its own, so that rounds tell the spread.

import type { Reading } from "../results/plan.ts";
import { MUSTER } from "../servers/server.ts";
import type { Run } from "./scenario.ts";

/** Measures once per round, one after the other. */
export async function eachRound(
  run: Run,
  measure: (run: Run) => Promise<Readonly<Record<string, number>>>,
): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  for (let round = 1; round <= run.rounds; round++) {
    run.say(`round ${round} of ${run.rounds}`);
    readings.push({ round, subject: MUSTER, values: await measure(run) });
  }
  return readings;
}
