// The command line of a run: arguments to options. Pure.

import { parseArgs } from "node:util";
import { parseRequirementId, type RequirementId } from "./requirements.ts";

/** What the command line asks for. */
export interface Options {
  readonly ws: URL;
  readonly http: URL;
  readonly second: { readonly ws: URL; readonly http: URL } | null;
  readonly management: string | null;
  readonly only: readonly RequirementId[];
  readonly headers: Readonly<Record<string, string>>;
  readonly otherHeaders: Readonly<Record<string, string>> | null;
  readonly maxMessageBytes: number | null;
  readonly deadlineMs: number;
  readonly concurrency: number;
  readonly isStrict: boolean;
  readonly isJson: boolean;
  /** File to write the page into. */
  readonly write: string | null;
}

/** How to call it. */
export const USAGE = `usage: npm run conformance -- --target ws://host:4320/v1/opamp [options]

  --target URL              ws, wss, http or https; the other transport is taken to be at the same place
  --http-target URL         plain HTTP, when it is at another place
  --second-target URL       another gateway of the same fleet, for agents that wander
  --driver muster           who tells the server what to do; without it such cases are not applicable
  --management HOST:PORT    where the driver finds the server's management API (default 127.0.0.1:4321)
  --only R37,R40            only these requirements
  --header 'Name: value'    sent with every request; may be repeated
  --other-header 'Name: v'  the same of somebody else who may connect, to see that agents are kept apart
  --max-message-bytes N     the limit the server was configured with (default 64 MiB)
  --deadline-ms N           how long to wait for anything (default 5000)
  --concurrency N           cases at a time (default 8)
  --strict                  full reports with a gap must be answered with ReportFullState, too
  --json                    findings as JSON
  --write FILE              also write the page of results
`;

/** Wrong arguments; the message says which. */
export class UsageError extends Error {}

/** Reads the arguments. @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parse(args);
  const { target } = values;
  if (target === undefined) throw new UsageError("--target is missing");
  const main = placesOf("--target", target);
  const http = values["http-target"];
  const second = values["second-target"];
  const management = values.management ?? "127.0.0.1:4321";
  if (values.driver !== undefined && values.driver !== "muster")
    throw new UsageError(`--driver ${values.driver} does not exist; there is muster`);
  return {
    ws: main.ws,
    http: http === undefined ? main.http : placesOf("--http-target", http).http,
    second: second === undefined ? null : placesOf("--second-target", second),
    management: values.driver === undefined ? null : management,
    only: (values.only ?? "").split(",").filter(Boolean).map(requirement),
    headers: headersOf(values.header ?? []),
    otherHeaders: values["other-header"] === undefined ? null : headersOf(values["other-header"]),
    maxMessageBytes: numberOrNull("--max-message-bytes", values["max-message-bytes"]),
    deadlineMs: numberOrNull("--deadline-ms", values["deadline-ms"]) ?? 5_000,
    concurrency: numberOrNull("--concurrency", values.concurrency) ?? 8,
    isStrict: values.strict ?? false,
    isJson: values.json ?? false,
    write: values.write ?? null,
  };
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      options: {
        target: text,
        "http-target": text,
        "second-target": text,
        driver: text,
        management: text,
        only: text,
        header: { type: "string", multiple: true },
        "other-header": { type: "string", multiple: true },
        "max-message-bytes": text,
        "deadline-ms": text,
        concurrency: text,
        strict: flag,
        json: flag,
        write: text,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

const SCHEMES: Readonly<Record<string, readonly [ws: string, http: string]>> = {
  "ws:": ["ws:", "http:"],
  "http:": ["ws:", "http:"],
  "wss:": ["wss:", "https:"],
  "https:": ["wss:", "https:"],
};

/** One address, for both transports. */
export function placesOf(flag: string, text: string): { readonly ws: URL; readonly http: URL } {
  const url = URL.canParse(text) ? new URL(text) : null;
  const schemes = url === null ? undefined : SCHEMES[url.protocol];
  if (url === null || schemes === undefined)
    throw new UsageError(`${flag} must be a ws, wss, http or https URL, not "${text}"`);
  const as = (scheme: string): URL => new URL(`${scheme}${url.href.slice(url.protocol.length)}`);
  return { ws: as(schemes[0]), http: as(schemes[1]) };
}

function requirement(text: string): RequirementId {
  const id = parseRequirementId(text);
  if (id === null) throw new UsageError(`--only: there is no requirement "${text}"; they are R1 to R155`);
  return id;
}

function headersOf(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(texts.map(headerOf));
}

function headerOf(text: string): readonly [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new UsageError(`--header must be "Name: value", not "${text}"`);
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

function numberOrNull(flag: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new UsageError(`${flag} must be a whole number, not "${text}"`);
  return value;
}
