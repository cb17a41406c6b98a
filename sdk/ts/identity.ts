// What the core has signed and checked: by the browser where it knows Ed25519, else by code that is loaded for it.
import { PeerloomError } from "./errors.js";
import { readMetadata } from "./json.js";
import { loadPart } from "./part.js";
import type { Passphrase } from "./passphrase.js";
import type { Memory } from "./remember.js";
import type { Json } from "./schema.js";
import type { NativeRoom } from "./wasm/peerloom.js";

/** Who is accepted: the ids, or a function that says so. */
export type Accepted = readonly string[] | ((id: string) => boolean | Promise<boolean>);

/** The name that a peer goes by in the application; undefined when it goes by none. */
export type KnownBy = (peer: {
  readonly id: string;
  readonly metadata: Json | undefined;
}) => string | undefined;

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

/** Key and signature; what the core gives has the peer's share of a passphrase behind them, where there is one, and its metadata. */
const SIGNED_BYTES = 96;
const SHARE_BYTES = 32;

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
  memory: Memory | undefined,
  words: Passphrase | undefined,
): Promise<Uint8Array | number | undefined> {
  let answer: Uint8Array | number | undefined;
  try {
    if (peer === "") answer = await (memory?.sign(message) ?? sign(given, message));
    else if (!(await verify(given.subarray(0, SIGNED_BYTES), message))) answer = FORGED;
    else if (!(await accepts(accepted, peer))) answer = NOT_ACCEPTED;
    else {
      // The core waits for this, so whatever comes of it is known before the peer is.
      const metadata = SIGNED_BYTES + (words === undefined ? 0 : SHARE_BYTES);
      await memory?.meet(peer, given.subarray(metadata));
      answer = words?.agree(given.subarray(SIGNED_BYTES, metadata)) ?? VALID;
    }
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

/**
 * What a join remembers, and remembers it by; undefined when it asks for nothing of the kind.
 * @internal
 */
export async function recall(
  app: string,
  persistent: boolean,
  knownBy: KnownBy | undefined,
): Promise<Memory | undefined> {
  if (!persistent && knownBy === undefined) return undefined;
  const nameOf = knownBy && ((id: string, text: string) => knownBy({ id, metadata: readMetadata(text) }));
  return (await loadMemory()).remember(app, persistent, nameOf, noStorage);
}

/**
 * Deletes what this browser keeps for the origin under an application's name: its {@link JoinOptions.identity identity}, and
 * the names of the peers that it has met. Rooms that are joined go on as they are; the next join has a new id.
 *
 * @throws PeerloomError `no-storage`, `load-failed`
 */
export async function forgetIdentity({ app = "" }: { readonly app?: string } = {}): Promise<void> {
  await (await loadMemory()).forget(app, noStorage);
}

/**
 * What a passphrase comes to in a room.
 * @internal
 */
export async function knowPassphrase(passphrase: string, room: string): Promise<Passphrase> {
  const { Passphrase } = await loadPart("passphrase.js", () => import("./passphrase.js"));
  const known = Passphrase.of(passphrase, room);
  if (known === undefined)
    throw new PeerloomError("bad-passphrase", "a passphrase has 6 to 128 bytes of UTF-8");
  return known;
}

const noStorage = (message: string, cause?: unknown) => new PeerloomError("no-storage", message, { cause });

const loadMemory = () => loadPart("remember.js", () => import("./remember.js"));
