// What can be wrong with bytes from a peer: one error class, one closed set of codes.
//
// A ProtocolError is returned, not thrown: malformed input is an expected outcome that every caller branches
// on (answer BAD_REQUEST, count it, keep the connection). Nothing here knows transports or status codes; the
// gateway owns that translation.

/**
 * Every way in which bytes from a peer can be wrong.
 *
 * - `empty_frame`: a WebSocket message of 0 bytes; it lacks even the header.
 * - `bad_header`: the varint header of a WebSocket message is not 0, is cut off or is longer than 10 bytes.
 * - `too_large`: more bytes than the limit the caller gave, or more elements than any agent has.
 * - `malformed`: the data is not the Protobuf message it should be.
 * - `bad_instance_uid`: an instance uid is not 16 bytes, or its text is not a UUID.
 */
export type ProtocolErrorCode = "empty_frame" | "bad_header" | "too_large" | "malformed" | "bad_instance_uid";

/** Why bytes from a peer could not be understood. `message` starts with the code and is fit for people. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** The kind of failure, for programs. */
  readonly code: ProtocolErrorCode;

  /** `sentence` explains the failure to a person; `cause` is kept for logs. */
  constructor(code: ProtocolErrorCode, sentence: string, options?: { readonly cause?: unknown }) {
    super(`${code}: ${sentence}`, options);
    this.code = code;
  }
}
