import type { Report } from "./report.js";

/**
 * Why something failed. The codes are stable and the same in Rust; `docs/errors.md` explains each.
 */
export type ErrorCode =
  | "signaling-unreachable"
  | "bad-url"
  | "bad-room"
  | "room-full"
  | "server-full"
  | "rate-limited"
  | "join-timeout"
  | "slow-consumer"
  | "going-away"
  | "replaced"
  | "unauthorized"
  | "admission-unavailable"
  | "kicked"
  | "forbidden"
  | "token-failed"
  | "ice-servers-failed"
  | "no-signature"
  | "bad-secret"
  | "bad-passphrase"
  | "version-mismatch"
  | "bad-message"
  | "unexpected-message"
  | "message-too-long"
  | "bad-protocol"
  | "metadata-too-long"
  | "protocol-mismatch"
  | "no-path"
  | "peer-gave-up"
  | "forged-identity"
  | "wrong-passphrase"
  | "wrong-certificate"
  | "not-accepted"
  | "bad-commitment"
  | "peer-gone"
  | "closed"
  | "message-too-large"
  | "invalid-message"
  | "bad-frame"
  | "window-exceeded"
  | "reassembly-limit"
  | "no-channel"
  | "name-too-long"
  | "too-many-streams"
  | "stream-closed"
  | "stream-aborted"
  | "stream-cancelled"
  | "bad-stream-id"
  | "after-end"
  | "over-grant"
  | "call-failed"
  | "call-timeout"
  | "no-handler"
  | "too-many-calls"
  | "bad-call-id"
  | "load-failed"
  | "no-storage"
  | "browser";

/** What every failure of the SDK is: an `Error` with a stable `code`, and the `cause` where there is one. */
export class PeerloomError extends Error {
  override readonly name = "PeerloomError";
  readonly code: ErrorCode;
  /** With `call-failed`: the code that the handler at the other end gave, if it gave one. */
  readonly remoteCode?: string;
  /**
   * On errors of a room, and of peers that cannot be reached: finds out what stands in the way. Asks the servers, which takes up to
   * five seconds.
   *
   * @throws PeerloomError `load-failed`
   */
  diagnose?: () => Promise<Report>;

  /** @internal */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /**
   * Makes an error of `{ code, message }` as the core throws it; passes on anything else as it is.
   * @internal
   */
  static from(thrown: unknown): unknown {
    const { code, message } = (thrown ?? {}) as { code?: ErrorCode; message?: string };
    const isOurs = typeof code === "string" && typeof message === "string" && !(thrown instanceof Error);
    return isOurs ? new PeerloomError(code, message) : thrown;
  }
}

/** What the core at the other end says, or what its face makes of a call, means the same here. */
const SHARED = [
  "peer-gone",
  "no-handler",
  "too-many-streams",
  "too-many-calls",
  "invalid-message",
  "message-too-large",
];

/**
 * An error of what the other end gave as its reason: under its own code where that is one of ours, else under `code`.
 * @internal
 */
export function remoteError(code: ErrorCode, theirs: string, message: string): PeerloomError {
  if (SHARED.includes(theirs)) return new PeerloomError(theirs as ErrorCode, message);
  const error = new PeerloomError(code, message);
  return code === "call-failed" && theirs !== code ? Object.assign(error, { remoteCode: theirs }) : error;
}
