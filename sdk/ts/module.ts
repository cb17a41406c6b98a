import { PeerloomError } from "./errors.js";
import { imports, type Source, start } from "./wasm/peerloom.js";

let loading: Promise<void> | undefined;

/** Where the `.wasm` file comes from: an address, its bytes, a response, or a compiled module. */
export type WasmSource = Source | Promise<Source>;

/**
 * Loads the WebAssembly module, once. After a failure the next call tries again.
 *
 * @throws PeerloomError `load-failed`
 */
export async function loadModule(source?: WasmSource): Promise<void> {
  loading ??= instantiate(source ?? new URL("./wasm/peerloom_bg.wasm", import.meta.url));
  try {
    await loading;
  } catch (cause) {
    loading = undefined;
    throw new PeerloomError("load-failed", "the WebAssembly module could not be loaded", { cause });
  }
}

async function instantiate(given: WasmSource): Promise<void> {
  let source = await given;
  if (typeof source === "string" || source instanceof URL || source instanceof Request) {
    source = await fetch(source);
  }
  if (source instanceof Response) {
    if (!source.ok) throw new Error(`${source.status} ${source.statusText} from ${source.url}`);
    // Browsers compile a module while it comes only when the server knows its type.
    if (source.headers.get("content-type") === "application/wasm") {
      start((await WebAssembly.instantiateStreaming(source, imports())).instance);
      return;
    }
    source = await source.arrayBuffer();
  }
  const made: WebAssembly.WebAssemblyInstantiatedSource | WebAssembly.Instance =
    await WebAssembly.instantiate(source as BufferSource, imports());
  start(made instanceof WebAssembly.Instance ? made : made.instance);
}
