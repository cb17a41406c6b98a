// What pages that were given the same passphrase agree on: CPace (draft-irtf-cfrg-cpace-21) with ristretto255 and SHA-512, as the
// core's own `passphrase.rs` has it for pages in Rust. Loaded by pages that join with a passphrase alone.
import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that SHA-512 takes in at a time. */
const BLOCK_BYTES = 128;
const [MIN_BYTES, MAX_BYTES] = [6, 128];

const utf8 = new TextEncoder();
const { Point } = ristretto255;

/** Fields, each behind its length as a varint. */
function fields(...all: readonly Uint8Array[]): number[] {
  return all.flatMap((field) => {
    const { length } = field;
    return [...(length < 128 ? [length] : [(length & 127) | 128, length >> 7]), ...field];
  });
}

function generator(passphrase: Uint8Array, channel: Uint8Array) {
  const secret = fields(utf8.encode("CPaceRistretto255"), passphrase);
  // The passphrase fills a block of its own.
  const zeros = new Uint8Array(Math.max(0, BLOCK_BYTES - 1 - secret.length));
  const text = Uint8Array.from([...secret, ...fields(zeros, channel, new Uint8Array())]);
  return ristretto255_hasher.deriveToCurve?.(sha512(text)) as InstanceType<typeof Point>;
}

/**
 * One page's half of what a passphrase comes to.
 * @internal
 */
export class Passphrase {
  /** What the others may know. */
  readonly share: Bytes;
  readonly #number: bigint;

  private constructor(text: Uint8Array, channel: Uint8Array) {
    // As many bits again as the order has, so that the remainder is like any other; zero will not be drawn.
    const random = crypto.getRandomValues(new Uint8Array(64));
    this.#number = Point.Fn.create(random.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n));
    this.share = Uint8Array.from(generator(text, channel).multiply(this.#number).toBytes());
  }

  /** Undefined for one that is too short or too long. Two texts that look the same are the same. */
  static of(passphrase: string, room: string): Passphrase | undefined {
    const text = utf8.encode(passphrase.normalize("NFC"));
    if (text.length < MIN_BYTES || text.length > MAX_BYTES) return undefined;
    const channel = fields(utf8.encode("peerloom passphrase 1"), utf8.encode(room));
    return new Passphrase(text, Uint8Array.from(channel));
  }

  /** What this share and ours come to: the same at both ends, if the passphrases are. Undefined for what is no share. */
  agree(theirs: Uint8Array): Bytes | undefined {
    try {
      const point = Point.fromBytes(theirs).multiply(this.#number);
      return point.is0() ? undefined : Uint8Array.from(point.toBytes());
    } catch {
      return undefined;
    }
  }
}
