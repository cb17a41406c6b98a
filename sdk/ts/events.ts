/** Stops listening. Calling it again does nothing. */
export type Unsubscribe = () => void;

/** Listeners of one event, called in the order they came. One that throws does not keep the others from being called. */
export class Listeners<E> {
  /** Made anew when one comes or goes, so that those called for an event are those of its beginning. */
  #listeners: readonly { readonly call: (event: E) => void }[] = [];

  get size(): number {
    return this.#listeners.length;
  }

  add(call: (event: E) => void): Unsubscribe {
    const added = { call };
    this.#listeners = [...this.#listeners, added];
    return () => {
      this.#listeners = this.#listeners.filter((one) => one !== added);
    };
  }

  emit(event: E): void {
    for (const { call } of this.#listeners) callSafely(call, event);
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
