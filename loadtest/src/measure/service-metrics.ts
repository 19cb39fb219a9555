// What a service of Muster says of itself at /metrics.

/** All readings of a scrape: `name` or `name{label="value"}` to number. */
export type Scrape = ReadonlyMap<string, number>;

/** Scrapes a service at its health address. Readings "since the last scrape" begin anew with it. */
export async function scrape(healthUrl: string): Promise<Scrape> {
  const response = await fetch(`${healthUrl}/metrics`, { headers: { connection: "close" } });
  return parseScrape(await response.text());
}

/** Reads the text format. Exported for its specs. */
export function parseScrape(text: string): Scrape {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

/** How late timers fired since the last scrape, at the 99th percentile, in milliseconds. */
export function eventLoopDelayP99Ms(readings: Scrape): number {
  return reading(readings, "muster_process_event_loop_delay_seconds", '"0.99"') * 1_000;
}

/** The sum of all readings of a metric whose labels contain this text. */
export function reading(readings: Scrape, name: string, labels = ""): number {
  let sum = 0;
  for (const [key, value] of readings) {
    const isIt = key === name || key.startsWith(`${name}{`);
    if (isIt && key.includes(labels)) sum += value;
  }
  return sum;
}
