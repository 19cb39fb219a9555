// What no case can show, and why. Everything else has a case; catalogue.spec.ts holds both to it.

import type { NotApplicableReason } from "./check.ts";
import type { RequirementId } from "./requirements.ts";

/** A requirement without a case. */
export interface Unseen {
  readonly id: RequirementId;
  readonly reason: NotApplicableReason;
  readonly sentence: string;
}

/** Every requirement without a case. */
export const UNSEEN: readonly Unseen[] = [];
