// Bytes of the wire format written by hand, for clients, servers and members that are not of this version.
import { randomBytes } from "node:crypto";

type Bytes = readonly number[];

function varint(value: number): Bytes {
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

/** What a client says first: the room, its hello, no resume token, no cards, no admission token. */
export const joinRecord = (room: string, hello: Bytes): Bytes => [
  0,
  ...text(room),
  ...withLength(hello),
  0,
  0,
  0,
];

/** What a server says first to whoever is alone: id, epoch, resume token, no members. */
export const welcomeRecord = (): Bytes => [0, ...randomBytes(16), 1, ...randomBytes(32), 0];

/** A signal to a stay of a member. */
export const signalRecord = (to: string, epoch: number, envelope: Bytes): Bytes => [
  ...[2, ...Buffer.from(to, "base64url"), ...varint(epoch)],
  ...withLength(envelope),
];

/** Kind 4 of a server: `version-mismatch`. */
export const refusedForVersion: Bytes = [4, 11, ...text("update, please")];
