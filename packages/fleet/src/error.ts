// The one error class of the domain, and its closed set of codes. Edges translate codes with a table each:
// management to gRPC statuses, workers to "retry" or "give up". Expected outcomes are return values, not these.

/** Why something cannot be done. */
export type FleetErrorCode =
  | "invalid"
  | "not_found"
  | "already_exists"
  | "conflict"
  | "failed_precondition"
  | "exhausted"
  | "out_of_range"
  | "unavailable"
  | "internal";

/** One thing that is wrong with one field of a request. */
export interface Violation {
  /** Path of the field, in the words of the API (`files[0].body`). */
  readonly field: string;
  /** What is wrong and what to do, as a sentence. */
  readonly description: string;
}

/** What an error may carry besides its sentence. */
export interface FleetErrorOptions {
  /** A constant a program can branch on (`ROLLOUT_ACTIVE`); defaults to the code in capitals. */
  readonly reason?: string;
  /** The values behind the sentence. */
  readonly details?: Readonly<Record<string, string>>;
  /** Every problem of an invalid request. */
  readonly violations?: readonly Violation[];
  readonly cause?: unknown;
}

/** Thrown where the domain or the store cannot do what was asked. The message says what to do about it. */
export class FleetError extends Error {
  override readonly name = "FleetError";
  readonly code: FleetErrorCode;
  readonly reason: string;
  readonly details: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];

  constructor(code: FleetErrorCode, message: string, options: FleetErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = options.reason ?? code.toUpperCase();
    this.details = options.details ?? {};
    this.violations = options.violations ?? [];
  }

  /** An invalid request with every problem it has. */
  static invalid(violations: readonly Violation[]): FleetError {
    const sentence = violations.map((v) => `${v.field}: ${v.description}`).join(" ");
    return new FleetError("invalid", sentence, { violations });
  }

  /** Any thrown value as a FleetError; what is not one becomes `internal` and keeps its cause. */
  static from(thrown: unknown): FleetError {
    if (thrown instanceof FleetError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new FleetError("internal", message, { cause: thrown });
  }
}

/** Fails to compile when a switch misses a case; fails loudly when the data lied. */
export function assertNever(value: never): never {
  throw new FleetError("internal", `unexpected value ${JSON.stringify(value)}`);
}
