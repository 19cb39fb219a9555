// Runs cases against a server, some at a time, and answers what came of each. Prints nothing.

import { type Case, Context, type Target } from "./case.ts";
import { clip, Failure, NotApplicable, type NotApplicableReason } from "./check.ts";
import type { Transport } from "./link.ts";
import { numberOf, REQUIREMENTS, type Requirement, type RequirementId } from "./requirements.ts";
import { UNSEEN } from "./unseen.ts";

/** What came of one case. */
export type Outcome =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly expected: string; readonly seen: string }
  | { readonly kind: "not-applicable"; readonly reason: NotApplicableReason; readonly sentence: string };

/** One line of the result: a requirement, and what one case said of it over one transport. */
export interface Finding {
  readonly requirement: Requirement;
  /** null for what no case can show. */
  readonly transport: Transport | null;
  /** What a conforming server does, or why there is no case. */
  readonly says: string;
  readonly outcome: Outcome;
}

/** Which cases, and how. */
export interface RunOptions {
  readonly cases: readonly Case[];
  /** Only these; empty: all. */
  readonly only: readonly RequirementId[];
  /** How many at a time. */
  readonly concurrency: number;
}

/** A case that takes longer than so many deadlines hangs. */
const PATIENCE = 8;

/** Runs; answers findings by the number of their requirement. */
export async function run(target: Target, { cases, only, concurrency }: RunOptions): Promise<readonly Finding[]> {
  const isWanted = (id: RequirementId): boolean => only.length === 0 || only.includes(id);
  const jobs = cases
    .filter(({ ids }) => ids.some(isWanted))
    .flatMap((each) => each.over.map((transport) => ({ case: each, transport })));
  const outcomes: Outcome[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < jobs.length; index = next++) {
      const job = jobs[index];
      if (job !== undefined) outcomes[index] = await runCase(job.case, job.transport, target);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  const findings = jobs.flatMap((job, index) => findingsOf(job.case, job.transport, outcomes[index]));
  return [...findings, ...unseen()]
    .filter(({ requirement }) => isWanted(requirement.id))
    .sort((a, b) => numberOf(a.requirement.id) - numberOf(b.requirement.id));
}

function findingsOf({ ids, says }: Case, transport: Transport, outcome: Outcome | undefined): readonly Finding[] {
  if (outcome === undefined) return [];
  return ids.map((id) => ({ requirement: requirementOf(id), transport, says, outcome }));
}

function unseen(): readonly Finding[] {
  return UNSEEN.map(({ id, reason, sentence }) => ({
    requirement: requirementOf(id),
    transport: null,
    says: sentence,
    outcome: { kind: "not-applicable", reason, sentence },
  }));
}

function requirementOf(id: RequirementId): Requirement {
  const found = REQUIREMENTS.find((each) => each.id === id);
  if (found === undefined) throw new Error(`there is no requirement ${id}`);
  return found;
}

async function runCase(each: Case, transport: Transport, target: Target): Promise<Outcome> {
  const context = new Context(transport, target);
  let timer: NodeJS.Timeout | undefined;
  const hanging = new Promise<Outcome>((resolve) => {
    const patienceMs = PATIENCE * target.deadlineMs;
    const outcome = { kind: "failed", expected: "an end", seen: `none within ${patienceMs} ms` } as const;
    timer = setTimeout(() => resolve(outcome), patienceMs);
  });
  try {
    return await Promise.race([outcomeOf(each.run(context)), hanging]);
  } finally {
    clearTimeout(timer);
    await context.close();
  }
}

async function outcomeOf(running: Promise<void>): Promise<Outcome> {
  try {
    await running;
    return { kind: "passed" };
  } catch (error) {
    if (error instanceof NotApplicable)
      return { kind: "not-applicable", reason: error.reason, sentence: error.message };
    if (error instanceof Failure) return { kind: "failed", expected: error.expected, seen: clip(error.seen, 300) };
    // A connection that is refused or cut in the middle is what the server did, not what the suite did.
    return { kind: "failed", expected: "an exchange to its end", seen: clip(String(error), 300) };
  }
}
