import { PeerloomError } from "./errors.js";

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
