import type { PeerloomError } from "./errors.js";

/**
 * A promise settled from outside.
 * @internal
 */
export class Settled<T> {
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  /** As the core tells it: the error, or else the value. */
  settle(value: T, error: PeerloomError | undefined): void {
    if (error === undefined) this.resolve(value);
    else this.reject(error);
  }
}
