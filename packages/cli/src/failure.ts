// What went wrong, as people read it: one sentence, the fields that are wrong below it, an exit code. Pure.

import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "@muster/protocol/rpc/error_details";

/** Exit codes; those of a watched rollout are in rollouts.ts. 2 is an answer that scripts are to notice, and no failure. */
export const EXIT = { ok: 0, failed: 1, halted: 2, differs: 2, usage: 64, interrupted: 130 } as const;

/** A failure that the command itself explains. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  /** What to call a field of the request in the command's own words. */
  readonly nameOf: (field: string) => string;

  constructor(
    message: string,
    options: { readonly cause?: unknown; readonly nameOf?: (field: string) => string } = {},
  ) {
    super(message, { cause: options.cause });
    this.nameOf = options.nameOf ?? ((field) => field);
  }
}

/** The lines to print, each with its newline. */
export function formatFailure(thrown: unknown, server: string): string {
  if (thrown instanceof CommandError) {
    return thrown.cause instanceof ConnectError
      ? formatConnect(thrown.cause, server, thrown.nameOf)
      : line(thrown.message);
  }
  if (thrown instanceof ConnectError) return formatConnect(thrown, server, (field) => field);
  return line(thrown instanceof Error ? thrown.message : String(thrown));
}

/** Whether the server itself failed the call, rather than the way to it. */
export function isServersWord(error: ConnectError): boolean {
  return error.findDetails(ErrorInfoSchema).length > 0;
}

function formatConnect(error: ConnectError, server: string, nameOf: (field: string) => string): string {
  const violations = error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  if (violations.length > 0) {
    const listed = violations.map(({ field, description }) => `  ${nameOf(field)}: ${description}\n`);
    return (
      line(
        `the server refused the request${violations.length === 1 ? "" : `; ${violations.length} things are wrong`}:`,
      ) + listed.join("")
    );
  }
  return line(isServersWord(error) ? error.rawMessage : wayText(error, server));
}

function wayText(error: ConnectError, server: string): string {
  const place = server.replace(/^http:\/\//, "");
  switch (error.code) {
    case Code.Unavailable:
      return `no management server answers at ${place}; start one with npm start, or name another with --server.`;
    case Code.DeadlineExceeded:
      return `${place} did not answer in time; try again, or wait longer with --timeout.`;
    case Code.Unimplemented:
      return `${place} does not know this command; it may be an older server, or none of Muster's.`;
    default:
      return `${place}: ${error.rawMessage || Code[error.code]}`;
  }
}

function line(sentence: string): string {
  return `muster: ${sentence}\n`;
}
