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
  | "version-mismatch"
  | "bad-message"
  | "unexpected-message"
  | "message-too-long"
  | "bad-protocol"
  | "metadata-too-long"
  | "protocol-mismatch"
  | "no-path"
  | "peer-gave-up"
  | "peer-gone"
  | "closed"
  | "message-too-large"
  | "invalid-message"
  | "bad-frame"
  | "out-of-order"
  | "reassembly-limit"
  | "no-channel"
  | "load-failed"
  | "browser";

/** What every failure of the SDK is: an `Error` with a stable `code`, and the `cause` where there is one. */
export class PeerloomError extends Error {
  override readonly name = "PeerloomError";
  readonly code: ErrorCode;

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
