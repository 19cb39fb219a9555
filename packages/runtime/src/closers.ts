// What was opened, to be closed in reverse. One stack per process; runService runs it once, at the end. Knows nothing
// of deadlines: it can say at any time what is still open, and the caller decides how long to wait.

/** Registers how to close what was just opened; names appear in the log when a drain does not end in time. */
export type Defer = (name: string, close: () => unknown) => void;

/** The closers of one process. */
export interface Closers {
  readonly defer: Defer;
  /** Runs every closer, last registered first, one after another. A failing one is reported and the rest still run. */
  closeAll(report: (name: string, error: unknown) => void): Promise<void>;
  /** What is not closed yet, in the order in which it would be closed. */
  openNames(): string[];
}

/** An empty stack. */
export function createClosers(): Closers {
  const stack: { readonly name: string; readonly close: () => unknown }[] = [];
  return {
    defer: (name, close) => {
      stack.push({ name, close });
    },
    async closeAll(report) {
      // Popped only afterwards, so that a closer that hangs is named as open.
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        try {
          await top.close();
        } catch (error) {
          report(top.name, error);
        }
        stack.splice(stack.indexOf(top), 1);
      }
    },
    openNames: () => stack.map(({ name }) => name).reverse(),
  };
}
