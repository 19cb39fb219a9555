// A log line for people: `06:48:12.123 INFO  gateway session.opened uid=… transport=ws`. Pure; used by log.ts when
// the format is `text`. Machines read the JSON form, which carries the same fields.

/** The parsed JSON form of one line, as log.ts writes it. */
export type LogRecord = Readonly<Record<string, unknown>>;

/** One readable line for a record, ending in a newline. A stack trace follows on lines of its own. */
export function renderText(record: LogRecord): string {
  const { time, level, service, event, ...fields } = record;
  const pairs: string[] = [];
  const stacks: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (isErrorRecord(value)) {
      pairs.push(`${name}=${renderValue(value.message)}`);
      if (typeof value.stack === "string") stacks.push(value.stack);
    } else {
      pairs.push(`${name}=${renderValue(value)}`);
    }
  }
  const clock = String(time).slice(11, 23);
  const head = [clock, String(level).toUpperCase().padEnd(5), String(service), String(event), ...pairs].join(" ");
  return [head, ...stacks.map((stack) => stack.replace(/^/gm, "    "))].join("\n").concat("\n");
}

function isErrorRecord(value: unknown): value is { message: unknown; stack: unknown } {
  return typeof value === "object" && value !== null && "message" in value && "stack" in value;
}

function renderValue(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
