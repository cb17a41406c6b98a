import { PeerloomError } from "./errors.js";

/**
 * Loads a part of the package that few pages need: `part` imports it.
 *
 * @throws PeerloomError `load-failed`
 * @internal
 */
export async function loadPart<T>(file: string, part: () => Promise<T>): Promise<T> {
  try {
    return await part();
  } catch (cause) {
    throw new PeerloomError("load-failed", `${file} could not be loaded`, { cause });
  }
}
