// The closing line of `npm test`, counted from what the test runner reports. Pure. Counts tests; suites only group
// them. The runner's own summary is not enough: it counts a file without tests as passed, and a suite whose hook
// failed not at all.

/** What a run came to. A test that was cancelled or timed out has failed. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Nothing has run. */
export const noCounts: TestCounts = { passed: 0, failed: 0, skipped: 0 };

/** One `test:pass` or `test:fail` event of node:test, as far as it counts. */
export interface TestEvent {
  readonly kind: "pass" | "fail";
  readonly name: string;
  readonly file?: string | undefined;
  readonly type?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  /** Why a failed one failed, in the runner's words. */
  readonly failureType?: unknown;
}

/** The counts after one more event. */
export function addEvent(counts: TestCounts, event: TestEvent): TestCounts {
  const { kind, name, file, type, skip, todo, failureType } = event;
  if (type === "suite") {
    const ownFault = kind === "fail" && failureType !== "subtestsFailed" && !isSet(todo);
    return ownFault ? { ...counts, failed: counts.failed + 1 } : counts;
  }
  if (isSet(skip) || isSet(todo)) return { ...counts, skipped: counts.skipped + 1 };
  if (kind === "fail") return { ...counts, failed: counts.failed + 1 };
  if (name === file) return counts; // the file as a whole, which held no test
  return { ...counts, passed: counts.passed + 1 };
}

/** `12 passed, 0 failed`, with `, 1 skipped` behind it if there were any. */
export function closingLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

/** The runner marks with `true` or with a reason, which may be empty. */
function isSet(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false;
}
