import { PeerloomError } from "./errors.js";
import type { Json, StandardResult } from "./schema.js";

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
 * Reads messages that lie behind each other, all at once: to decode and to parse costs more for each call than for each
 * byte. Undefined when they must be read one by one: one of them is not JSON, or there is more than ASCII, so that places in
 * the text are not those of the bytes.
 * @internal
 */
export function readJsonBatch(frame: Uint8Array, places: Uint32Array): unknown[] | undefined {
  const [start = 0, end = 0] = [places[0], places.at(-1)];
  try {
    const text = decoder.decode(frame.subarray(start, end));
    if (text.length < end - start) return undefined;
    const texts: string[] = [];
    for (let at = 0; at + 1 < places.length; at += 2) {
      texts.push(text.slice((places[at] as number) - start, (places[at + 1] as number) - start));
    }
    const values = JSON.parse(`[${texts.join(",")}]`) as unknown[];
    return values.length === texts.length ? values : undefined;
  } catch {
    return undefined;
  }
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
 * Others write what they like into their metadata; what is not JSON counts as none.
 * @internal
 */
export function readMetadata(text: string): Json | undefined {
  try {
    return text === "" ? undefined : (JSON.parse(text) as Json);
  } catch {
    return undefined;
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
