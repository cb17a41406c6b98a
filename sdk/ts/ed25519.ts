// Ed25519 (RFC 8032) for pages whose browser has none: those that came by plain http, and old browsers. Loaded only there.
import { getPublicKey, hashes, verify as isSignature, sign as makeSignature } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";

hashes.sha512 = sha512;

/** The key made of the seed (32 bytes) and its signature of the message (64), in one array. */
export function sign(seed: Uint8Array, message: Uint8Array): Uint8Array {
  const signed = new Uint8Array(96);
  signed.set(getPublicKey(seed));
  signed.set(makeSignature(message, seed), 32);
  return signed;
}

/** Whether the signature in such an array is the key's. Keys and signatures of more than one form are refused, as browsers do. */
export function verify(signed: Uint8Array, message: Uint8Array): boolean {
  return isSignature(signed.subarray(32), message, signed.subarray(0, 32), { zip215: false });
}
