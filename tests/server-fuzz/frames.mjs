// Bytes that a client says: WebSocket frames (RFC 6455 §5.2), HTTP heads, and messages of docs/wire.md.

export function varint(value) {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

const withLength = (bytes) => [...varint(bytes.length), ...bytes];
const message = (record) => Buffer.from([1, ...withLength(record)]);

/** Members whose hello is the empty one: the server reads none of it. */
export const join = (room, key, secret) =>
  message([0, ...withLength(Buffer.from(room)), ...withLength([1, 3, 0, 0, 0]), ...key, ...secret, 0, 0, 0]);
export const signal = ({ id, epoch }, envelope) =>
  message([2, ...id, ...varint(epoch), ...withLength(envelope)]);
export const deposit = (card) => message([3, 0, 1, 5, ...withLength(card)]);
export const relay = ({ id, epoch }, packet) => message([5, ...id, ...varint(epoch), ...withLength(packet)]);
export const ping = message([4, 7]);

/** A frame as a client sends it: masked, with a mask of zeros. Its last part unless told otherwise. */
export function frame(
  opcode,
  payload,
  { last = true, masked = true, reserved = 0, claims = payload.length } = {},
) {
  const mask = masked ? 0x80 : 0;
  const length =
    claims < 126
      ? [mask | claims]
      : claims < 65_536
        ? [mask | 126, claims >> 8, claims & 255]
        : [mask | 127, ...Buffer.from(BigInt(claims).toString(16).padStart(16, "0"), "hex")];
  const head = [(last ? 0x80 : 0) | (reserved << 4) | opcode, ...length, ...(masked ? [0, 0, 0, 0] : [])];
  return Buffer.concat([Buffer.from(head), payload]);
}

/** The request that opens a WebSocket; a join may ride in it. */
export function upgrade(port, { origin = `http://127.0.0.1:${port}`, early } = {}) {
  const protocols = ["peerloom.v1", ...(early === undefined ? [] : [`join.${early.toString("base64url")}`])];
  const lines = [
    "GET /ws HTTP/1.1",
    `Host: 127.0.0.1:${port}`,
    `Origin: ${origin}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    `Sec-WebSocket-Protocol: ${protocols.join(", ")}`,
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}
