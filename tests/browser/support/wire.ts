// Bytes of the wire format written by hand, for clients, servers and members that are not of this version.
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";

type Bytes = readonly number[];

export function varint(value: number): Bytes {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

export function readVarint(bytes: Uint8Array): number {
  const length = bytes.findIndex((byte) => byte < 128) + 1;
  return bytes.subarray(0, length).reduceRight((value, byte) => value * 128 + (byte & 127), 0);
}

const withLength = (bytes: Bytes): Bytes => [...varint(bytes.length), ...bytes];
const text = (value: string): Bytes => withLength([...Buffer.from(value)]);

export const frame = (version: number, ...records: Bytes[]): Bytes => [
  version,
  ...records.flatMap(withLength),
];

/** A record of a kind that no version has yet. */
export const unknownRecord: Bytes = [...varint(9_999), 1, 2, 3];

/** Kind 0 of a hello: the channels of the test pages' protocol, sorted by label, and no metadata. */
export const helloRecord: Bytes = [
  ...[0, 7],
  ...[...text("blob"), 0, ...text("bytes")],
  ...[...text("brief"), 3, ...varint(100), ...text("json")],
  ...[...text("json"), 0, ...text("json")],
  ...[...text("lasting"), 3, ...varint(30_000), ...text("json")],
  ...[...text("latest"), 2, ...text("json")],
  ...[...text("note"), 0, ...text("json")],
  ...[...text("unordered"), 1, ...text("json")],
  ...text(""),
];

/** Kind 1 of a hello: page, key, window, and that it talks through the server. */
export const sessionRecord = (): Bytes => [1, ...randomBytes(8), ...randomBytes(32), ...varint(1 << 20), 1];

const sha256 = (...parts: Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

/** A member's key and secret, and the id that is made of them. */
export class Someone {
  readonly secret = randomBytes(32);
  readonly #private = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), randomBytes(32)]),
    format: "der",
    type: "pkcs8",
  });
  readonly key = createPublicKey(this.#private).export({ format: "der", type: "spki" }).subarray(-32);
  readonly id = idOf(this.key, this.secret);

  /** Kind 2 of a hello, and its last record: with a certificate, and signed with what stands before it. */
  identityRecord(room: string, before: Bytes, fingerprint: Uint8Array = randomBytes(32)): Bytes {
    const hash = sha256(this.secret);
    const said = [
      Buffer.from("peerloom hello 1"),
      Buffer.from(text(room)),
      fingerprint,
      hash,
      Buffer.from(before),
    ];
    return [2, ...fingerprint, ...this.key, ...hash, ...sign(null, Buffer.concat(said), this.#private)];
  }

  /** What it says first: the room, its hello, who it is, that it is new, no cards, no admission token. */
  joinRecord(room: string, hello: Bytes): Bytes {
    return [0, ...text(room), ...withLength(hello), ...this.key, ...this.secret, 0, 0, 0];
  }
}

/** The id of a key and a secret, as text. */
export function idOf(key: Uint8Array, secret: Uint8Array): string {
  return sha256(Buffer.from("peerloom id 2"), key, sha256(secret)).subarray(0, 16).toString("base64url");
}

/** The id of whoever sends this subprotocol value with a join. */
export function idOfJoin(early: string): string {
  let rest: Buffer = Buffer.from(early.replace("join.", ""), "base64url").subarray(1);
  const skipVarint = () => {
    rest = rest.subarray(rest.findIndex((byte) => byte < 128) + 1);
  };
  skipVarint(); // The record's length,
  rest = rest.subarray(1); // its kind,
  for (const _ of ["room", "hello"]) {
    const length = readVarint(rest);
    skipVarint();
    rest = rest.subarray(length);
  }
  return idOf(rest.subarray(0, 32), rest.subarray(32, 64));
}

/** What a server says first to whoever is alone: its id, its epoch, no members. */
export const welcomeRecord = (id: string): Bytes => [0, ...Buffer.from(id, "base64url"), 1, 0];

/** A signal to a stay of a member. */
export const signalRecord = (to: string, epoch: number, envelope: Bytes): Bytes => [
  ...[2, ...Buffer.from(to, "base64url"), ...varint(epoch)],
  ...withLength(envelope),
];

/** Envelopes: a trickled candidate, an offer, an answer. */
export const candidateRecord = (generation: number, candidate: Bytes): Bytes => [
  ...[1, ...varint(generation)],
  ...candidate,
];
export const offerRecord = (generation: number, sdp: string): Bytes => [
  ...[2, ...varint(generation)],
  ...text(sdp),
];

/** The descriptions that answer, among what a server said: each with its generation, and who sent it. */
export function* answersIn(messages: number[][]): Generator<{ generation: number; sdp: string }> {
  for (const message of messages) {
    for (const [kind, ...rest] of recordsOf(message)) {
      if (kind !== 3) continue;
      // Behind the sender's id: its epoch, and the envelope.
      const [, envelope] = skipVarint(skipVarint(rest.slice(16))[1]);
      for (const [kind, ...fields] of recordsOf(envelope)) {
        if (kind !== 3) continue;
        const [generation, description] = skipVarint(fields);
        yield { generation, sdp: Buffer.from(skipVarint(description)[1]).toString() };
      }
    }
  }
}

function* recordsOf([, ...frame]: number[]): Generator<number[]> {
  for (let left = frame; left.length > 0; ) {
    const [length, behind] = skipVarint(left);
    yield behind.slice(0, length);
    left = behind.slice(length);
  }
}

function skipVarint(bytes: number[]): [value: number, behind: number[]] {
  return [readVarint(Uint8Array.from(bytes)), bytes.slice(bytes.findIndex((byte) => byte < 128) + 1)];
}

/** Control messages. */
export const pingRecord = (nonce: number): Bytes => [0, ...varint(nonce)];
export const beginRecord = (mine: number, yours: number): Bytes => [3, ...varint(mine), ...varint(yours)];

/** Kind 4 of a server: `version-mismatch`. */
export const refusedForVersion: Bytes = [4, 11, ...text("update, please")];
