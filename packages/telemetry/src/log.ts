// Structured logs: an event name plus fields, one JSON object a line, or a readable line for people. Thin over pino,
// which is named in this file only. Decides nothing about what is logged; secrets are taken out by redact.ts.
// Writing is synchronous, so that the last line before an exit is never lost.

import { type DestinationStream, destination, pino } from "pino";
import { redact } from "./redact.ts";
import { renderText } from "./text.ts";

/** Levels, least important first. */
export const logLevels = ["debug", "info", "warn", "error"] as const;

/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

/** How lines are written: `json` for machines, `text` for people. */
export const logFormats = ["json", "text"] as const;

/** One of `logFormats`. */
export type LogFormat = (typeof logFormats)[number];

/** Fields of a line. Put an Error under `error`; values under a secret's name are never written. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes facts: `log.info("session.opened", { uid })`. Event names are `<noun>.<past-tense>`. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line; the original is unchanged. */
  with(fields: LogFields): Logger;
}

/** What `createLogger` needs. */
export interface LoggerOptions {
  /** Name of the service, on every line. */
  readonly service: string;
  /** Least level that is written; default `info`. */
  readonly level?: LogLevel;
  /** Default `json`. */
  readonly format?: LogFormat;
  /** Receives each finished line with its newline; default: standard output. */
  readonly write?: (line: string) => void;
}

/** A logger for one service. Never throws for a closed output. */
export function createLogger(options: LoggerOptions): Logger {
  const logger = pino(
    {
      level: options.level ?? "info",
      base: { service: options.service },
      messageKey: "event",
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    openDestination(options),
  );
  return wrap(logger);
}

/** A logger that writes nothing: for specs and for callers that have none. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
};

/** The part of pino's logger that is used here. */
interface PinoLike {
  isLevelEnabled(level: string): boolean;
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
  child(fields: object): PinoLike;
}

function wrap(logger: PinoLike): Logger {
  const at = (level: LogLevel) => (event: string, fields?: LogFields) => {
    if (logger.isLevelEnabled(level)) logger[level](fields === undefined ? {} : redact(fields), event);
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => wrap(logger.child(redact(fields))),
  };
}

function openDestination({ format = "json", write }: LoggerOptions): DestinationStream {
  const stdout = write === undefined ? destination({ dest: 1, sync: true }) : undefined;
  const out = write ?? ((line: string) => stdout?.write(line));
  return format === "json" ? { write: out } : { write: (line) => out(renderText(JSON.parse(line))) };
}
