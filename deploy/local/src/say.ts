// What the two commands tell the person who runs them. Progress goes to standard error, results to standard output,
// so that either can be piped away. Nothing here is a log: services log to files.

/** One line of progress. */
export function say(sentence: string): void {
  process.stderr.write(`muster: ${sentence}\n`);
}

/** Part of a result, written as it is. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** An expected end: its message is one line that names the remedy, and no stack is shown. */
export class Remedy extends Error {
  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = "Remedy";
  }
}

/** What to print for an error that ends a command: one line if it was foreseen, the whole stack if not. */
export function wordsFor(error: unknown): string {
  if (error instanceof Remedy) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Runs a command's main function and ends the process: 0 for true, 1 for false or an error, which is printed. */
export async function exitWith(main: () => Promise<boolean>): Promise<never> {
  const ok = await main().catch((error: unknown) => {
    say(wordsFor(error));
    return false;
  });
  return process.exit(ok ? 0 : 1);
}
