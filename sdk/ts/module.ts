import { PeerloomError } from "./errors.js";
import init, { type InitInput } from "./wasm/peerloom.js";

let loading: Promise<unknown> | undefined;

/** Where the `.wasm` file comes from: an address, its bytes, a response, or a compiled module. */
export type WasmSource = InitInput | Promise<InitInput>;

/**
 * Loads the WebAssembly module, once. After a failure the next call tries again.
 *
 * @throws PeerloomError `load-failed`
 */
export async function loadModule(source?: WasmSource): Promise<void> {
  loading ??= init({ module_or_path: source ?? new URL("./wasm/peerloom_bg.wasm", import.meta.url) });
  try {
    await loading;
  } catch (cause) {
    loading = undefined;
    throw new PeerloomError("load-failed", "the WebAssembly module could not be loaded", { cause });
  }
}
