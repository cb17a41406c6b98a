/** Stops listening. Calling it again does nothing. */
export type Unsubscribe = () => void;

/** Listeners of one event, called in the order they came. One that throws does not keep the others from being called. */
export class Listeners<E> {
  readonly #listeners = new Map<symbol, (event: E) => void>();

  get size(): number {
    return this.#listeners.size;
  }

  add(listener: (event: E) => void): Unsubscribe {
    const key = Symbol();
    this.#listeners.set(key, listener);
    return () => void this.#listeners.delete(key);
  }

  emit(event: E): void {
    for (const listener of [...this.#listeners.values()]) {
      callSafely(listener, event);
    }
  }
}

/** Calls an application's function; what it throws is reported as uncaught, and the SDK goes on. */
export function callSafely<E>(listener: (event: E) => void, event: E): void {
  try {
    listener(event);
  } catch (error) {
    reportError(error);
  }
}
