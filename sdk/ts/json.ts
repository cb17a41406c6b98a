import { PeerloomError } from "./errors.js";
import type { StandardResult } from "./schema.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
/** Longer texts are encoded here, so that they stay out of WebAssembly memory, which never shrinks. */
const LONG_TEXT = 8 * 1024;

/**
 * Writes a value as JSON text.
 * @throws PeerloomError `invalid-message` for what JSON cannot carry: cycles, BigInt, functions
 * @internal
 */
export function writeJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new PeerloomError("invalid-message", "the value cannot be written as JSON", { cause });
  }
  if (text === undefined) throw new PeerloomError("invalid-message", "the value cannot be written as JSON");
  return text;
}

/**
 * A value as it travels.
 * @throws PeerloomError `invalid-message`
 * @internal
 */
export function encodeJson(value: unknown): string | Uint8Array {
  const text = writeJson(value);
  return text.length > LONG_TEXT ? encoder.encode(text) : text;
}

/**
 * Reads what another page wrote.
 * @throws PeerloomError `invalid-message`
 * @internal
 */
export function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new PeerloomError("invalid-message", "the message is not JSON", { cause });
  }
}

/**
 * What a validator passed.
 * @throws PeerloomError `invalid-message`
 * @internal
 */
export function passed<T>(result: StandardResult<T>): T {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map((issue) => issue.message).join("; ");
  throw new PeerloomError("invalid-message", `the message does not fit the schema: ${issues}`);
}
