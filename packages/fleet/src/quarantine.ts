// Which content must not be rolled out again without a word: what a rollout was taken back or ended for. Pure.

import type { Decision } from "./pass.ts";

/**
 * Why the content of a rollout is quarantined after this decision on its phase; null: it is not, or not for this. A success
 * lifts the quarantine that an operator overrode for it.
 */
export function quarantineAfter({
  phase,
  reason,
  message,
}: Pick<Decision, "phase" | "reason" | "message">): string | null {
  switch (phase) {
    case "rolling_back":
    case "reverting":
      return message;
    case "halted":
      return reason === "end_time" ? null : message;
    default:
      return null;
  }
}
