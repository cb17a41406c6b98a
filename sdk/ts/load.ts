import { hasBegun, join } from "./join.js";
import { loadModule, type WasmSource } from "./module.js";

/**
 * Loads the WebAssembly module, once. `join` does it by itself; call it earlier to have it ready, or to give another
 * place. After a failure the next call tries again.
 *
 * When nobody joins at once, a join that leads nowhere follows by itself: the browser compiles most functions, and makes
 * much of what connections need, at first use, and the real join then finds it done.
 *
 * @throws PeerloomError `load-failed`
 */
export async function load(source?: WasmSource): Promise<void> {
  await loadModule(source);
  // After whoever waits for this.
  setTimeout(() => {
    if (!hasBegun()) rehearse();
  });
}

/** Long enough for the connections to be made on a slow machine. */
const REHEARSAL_MS = 300;

/** Everything up to the WebSocket, which does not open: no browser takes this address for one. */
function rehearse(): void {
  join("ws://%", { room: "rehearsal", resume: false, timeoutMs: REHEARSAL_MS }).catch(() => {});
}
