import { PeerloomError } from "./errors.js";

/** How the messages of a channel become bytes, and bytes messages again. For {@link channel.of}. */
export interface Codec<T> {
  /**
   * Names the format, in 1 to 32 bytes: two pages that give a channel other names do not fit together. So a format that
   * changes takes another name.
   */
  readonly name: string;
  /** Gives a message's bytes. They are copied at once, so the array may be used again for the next. Throws what is none. */
  encode(message: T): Uint8Array;
  /** Reads a message, which is all of these bytes; they change later. Throws what is none: it was written by another page. */
  decode(bytes: Uint8Array): T;
}

/**
 * Does what a codec was asked for.
 * @throws PeerloomError `invalid-message` for whatever it throws
 * @internal
 */
export function attempt<R>(work: () => R): R {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof PeerloomError) throw cause;
    throw new PeerloomError("invalid-message", "the codec does not take the message", { cause });
  }
}
