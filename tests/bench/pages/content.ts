// What bulk pages send, and check. Whoever receives bytes reads them; a page that only counted them would leave the cost of
// fetching them from memory out, and would not notice one out of place.

const CACHE_LINE_BYTES = 64;

/** Makes a message unlike its neighbours. */
export function write(message: Uint8Array, number: number): void {
  message.fill(number);
}

/** Reads a message, as far as memory is concerned. Throws when it is not this one. */
export function read(message: Uint8Array, number: number): void {
  for (let at = 0; at < message.length; at += CACHE_LINE_BYTES) {
    if (message[at] !== number % 256) throw new Error(`message ${number} is another, or altered`);
  }
}
