// What happens by chance, from a seed: the same seed makes the same bytes again. When they go out is the machine's affair.

/** Generates 32 bits at a time: mulberry32. */
export class Chance {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  #next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `below`, without that. */
  below(below) {
    return this.#next() % below;
  }

  one(list) {
    return list[this.below(list.length)];
  }

  bytes(length) {
    return Buffer.from(Array.from({ length }, () => this.#next() & 255));
  }

  /** The bytes with a few of them changed, cut off, repeated or put in. */
  mutate(bytes) {
    let mutated = Buffer.from(bytes);
    for (let times = 1 + this.below(4); times > 0 && mutated.length > 0; times -= 1) {
      const at = this.below(mutated.length);
      switch (this.below(5)) {
        case 0:
          mutated[at] ^= 1 << this.below(8);
          break;
        case 1:
          mutated[at] = this.one([0, 1, 127, 128, 255]);
          break;
        case 2:
          mutated = mutated.subarray(0, at);
          break;
        case 3:
          mutated = Buffer.concat([
            mutated.subarray(0, at),
            this.bytes(1 + this.below(16)),
            mutated.subarray(at),
          ]);
          break;
        default:
          mutated = Buffer.concat([mutated, mutated.subarray(at)]);
      }
    }
    return mutated;
  }
}
