// What Muster meets in part only, or leaves to its operators: what no case finds, and what the page must say all the same.

import type { RequirementId } from "./requirements.ts";

/** A sentence about requirements. One that passes its cases is met in part. */
export interface Note {
  readonly ids: readonly RequirementId[];
  readonly sentence: string;
}

/** Every note, in the order of the page. */
export const NOTES: readonly Note[] = [
  {
    ids: ["R22"],
    sentence:
      "polls come every 30 s, and the library under the gateway (uWebSockets.js) closes an HTTP connection that has been idle for about 10 s and has no setting for it. Nothing is lost, but each poll opens a connection of its own.",
  },
  {
    ids: ["R106", "R114", "R115", "R125"],
    sentence:
      "they speak of credentials that a server issues and revokes. Muster signs certificates (R117) and asks for tokens (R146), but issues no tokens: those it is given by its operator.",
  },
];

/** What there is to say about a requirement beside its cases. */
export function noteOn(id: RequirementId): Note | undefined {
  return NOTES.find(({ ids }) => ids.includes(id));
}
