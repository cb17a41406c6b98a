// What the core has signed and checked: by the browser where it knows Ed25519, else by code that is loaded for it.
import type { NativeRoom } from "./wasm/peerloom.js";

/** Who is accepted: the ids, or a function that says so. */
export type Accepted = readonly string[] | ((id: string) => boolean | Promise<boolean>);

const NAME = "Ed25519";
/** What stands before the seed in a private key as PKCS #8 has it (RFC 8410 §7). */
const PKCS8 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

type Bytes = Uint8Array<ArrayBuffer>;

/** The key made of the seed, and its signature of the message. */
async function sign(seed: Bytes, message: Bytes): Promise<Uint8Array> {
  try {
    const { subtle } = crypto;
    const key = await subtle.importKey("pkcs8", Uint8Array.of(...PKCS8, ...seed), NAME, true, ["sign"]);
    const [{ x = "" }, signature] = await Promise.all([
      subtle.exportKey("jwk", key),
      subtle.sign(NAME, key, message),
    ]);
    const known = atob(x.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.of(...Array.from(known, (c) => c.charCodeAt(0)), ...new Uint8Array(signature));
  } catch {
    return (await import("./ed25519.js")).sign(seed, message);
  }
}

/** Whether the message is signed so: by the key in the first 32 bytes, with the signature in the others. */
async function verify(signed: Bytes, message: Bytes): Promise<boolean> {
  try {
    const { subtle } = crypto;
    const key = await subtle.importKey("raw", signed.subarray(0, 32), NAME, false, ["verify"]);
    return await subtle.verify(NAME, key, signed.subarray(32), message);
  } catch {
    return (await import("./ed25519.js")).verify(signed, message);
  }
}

/** In the order of the core's numbers. */
const [VALID, FORGED, NOT_ACCEPTED] = [0, 1, 2];

/**
 * Signs, where no peer is given, or checks what a peer is said to have signed, and asks the application about it. Gives what
 * came of it: the key and the signature, or the number of a verdict.
 * @internal
 */
export async function witness(
  native: () => NativeRoom | undefined,
  peer: string,
  number: number,
  given: Bytes,
  message: Bytes,
  accepted: Accepted | undefined,
): Promise<Uint8Array | number | undefined> {
  let answer: Uint8Array | number | undefined;
  try {
    if (peer === "") answer = await sign(given, message);
    else if (!(await verify(given, message))) answer = FORGED;
    else answer = (await accepts(accepted, peer)) ? VALID : NOT_ACCEPTED;
  } catch {
    // What cannot be checked is not believed.
    if (peer !== "") answer = FORGED;
  }
  native()?.witnessed(number, answer);
  return answer;
}

async function accepts(accepted: Accepted | undefined, peer: string): Promise<boolean> {
  if (accepted === undefined) return true;
  if (typeof accepted !== "function") return accepted.includes(peer);
  try {
    return (await accepted(peer)) === true;
  } catch {
    return false;
  }
}
