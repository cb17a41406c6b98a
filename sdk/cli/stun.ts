// Asks STUN and TURN servers (RFC 8489, RFC 8656), as a browser would.
import { createHash, createHmac, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

const COOKIE = 0x2112a442;
const HEADER_BYTES = 20;
const [BINDING, ALLOCATE, REFRESH] = [0x0001, 0x0003, 0x0004];
const [USERNAME, INTEGRITY, ERROR_CODE, LIFETIME] = [0x0006, 0x0008, 0x0009, 0x000d];
const [REALM, NONCE, RELAYED, TRANSPORT, MAPPED] = [0x0014, 0x0015, 0x0016, 0x0019, 0x0020];
/** Over UDP a request is said again after these, in milliseconds (RFC 8489 §6.2.1). */
const AGAIN_MS = [0, 500, 1_000, 2_000];

/** A server as its URI names it (RFC 7064, RFC 7065). */
export interface IceServer {
  readonly url: string;
  readonly username: string;
  readonly credential: string;
}

/** What a server said, or why it said nothing. */
export interface Asked {
  readonly ms: number;
  /** Where the server sees this machine, as `address:port`. */
  readonly mapped?: string;
  /** Where a TURN server relays from. */
  readonly relayed?: string;
}

/** The server has refused: a code of RFC 8489 §14.8 or RFC 8656 §19. */
export class Refused extends Error {
  constructor(
    readonly code: number,
    reason: string,
  ) {
    super(`${code} ${reason}`);
  }
}

interface Address {
  readonly kind: "stun" | "turn";
  readonly over: "udp" | "tcp" | "tls";
  readonly host: string;
  readonly port: number;
}

/** Takes such a URI apart; undefined when it is none. */
export function parse(url: string): Address | undefined {
  const found = /^(stun|turn)(s?):(\[[0-9a-f:.]+\]|[^:?[\]]+)(?::(\d+))?(?:\?transport=(udp|tcp))?$/i.exec(
    url,
  );
  if (found === null) return undefined;
  const [, kind = "", secure, host = "", port, transport = "udp"] = found;
  const over = secure ? "tls" : (transport as "udp" | "tcp");
  return {
    kind: kind.toLowerCase() as "stun" | "turn",
    over,
    host: host.replace(/^\[|\]$/g, ""),
    port: Number(port ?? (secure ? 5349 : 3478)),
  };
}

const attribute = (type: number, value: Uint8Array) => {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
};

function request(method: number, attributes: Buffer[], key?: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(method, 0);
  head.writeUInt32BE(COOKIE, 4);
  randomBytes(12).copy(head, 8);
  const body = Buffer.concat(attributes);
  head.writeUInt16BE(body.length + (key === undefined ? 0 : 24), 2);
  const plain = Buffer.concat([head, body]);
  if (key === undefined) return plain;
  return Buffer.concat([plain, attribute(INTEGRITY, createHmac("sha1", key).update(plain).digest())]);
}

interface Answer {
  readonly isError: boolean;
  readonly attributes: ReadonlyMap<number, Buffer>;
}

/** The answer to this request; undefined when it is not. */
function read(bytes: Buffer, asked: Buffer): Answer | undefined {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(4, HEADER_BYTES).equals(asked.subarray(4, HEADER_BYTES)))
    return undefined;
  const attributes = new Map<number, Buffer>();
  for (let at = HEADER_BYTES; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16BE(at + 2);
    const value = bytes.subarray(at + 4, at + 4 + length);
    if (value.length < length) return undefined;
    if (!attributes.has(bytes.readUInt16BE(at))) attributes.set(bytes.readUInt16BE(at), value);
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  return { isError: (bytes.readUInt16BE(0) & 0x0110) === 0x0110, attributes };
}

/** An address that is mixed with the cookie and the transaction (RFC 8489 §14.2), as `address:port`. */
function readAddress(value: Buffer | undefined, asked: Buffer): string | undefined {
  if (value === undefined || (value.length !== 8 && value.length !== 20)) return undefined;
  const port = value.readUInt16BE(2) ^ (COOKIE >>> 16);
  const octets = value.subarray(4).map((byte, at) => byte ^ (asked[4 + at] ?? 0));
  if (octets.length === 4) return `${octets.join(".")}:${port}`;
  const groups = Array.from(
    { length: 8 },
    (_, at) => ((octets[2 * at] ?? 0) << 8) | (octets[2 * at + 1] ?? 0),
  );
  return `[${groups.map((group) => group.toString(16)).join(":")}]:${port}`;
}

function refusal({ attributes }: Answer): Refused {
  const value = attributes.get(ERROR_CODE);
  if (value === undefined || value.length < 4) return new Refused(0, "an error without a code");
  return new Refused(
    (value[2] ?? 0) * 100 + (value[3] ?? 0),
    value.subarray(4).toString("utf8").slice(0, 128),
  );
}

/** A way to a server: a request goes out, its answer comes back. */
interface Wire {
  ask(request: Buffer): Promise<Buffer>;
  close(): void;
}

function overUdp({ host, port }: Address, ms: number): Promise<Wire> {
  return new Promise((ready, failed) => {
    const socket = createSocket(isIP(host) === 6 ? "udp6" : "udp4");
    socket.on("error", failed);
    socket.connect(port, host, (error?: Error) => {
      if (error) return failed(error);
      const ask = (request: Buffer) =>
        new Promise<Buffer>((answered, lost) => {
          const timers = AGAIN_MS.map((at) => setTimeout(() => socket.send(request), at));
          timers.push(setTimeout(() => end(() => lost(new Error(`no answer within ${ms} ms`))), ms));
          const end = (act: () => void) => {
            timers.forEach(clearTimeout);
            socket.off("message", heard);
            socket.off("error", broken);
            act();
          };
          const heard = (bytes: Buffer) => {
            if (read(bytes, request) !== undefined) end(() => answered(bytes));
          };
          const broken = (error: Error) => end(() => lost(error));
          socket.on("message", heard).on("error", broken);
        });
      ready({ ask, close: () => socket.close() });
    });
  });
}

function overStream({ host, port, over }: Address, ms: number): Promise<Wire> {
  return new Promise((ready, failed) => {
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket: Socket = over === "tls" ? connectTls({ host, port, ...name }) : connectTcp({ host, port });
    socket.setTimeout(ms, () => socket.destroy(new Error(`no answer within ${ms} ms`)));
    socket.once("error", failed);
    socket.once(over === "tls" ? "secureConnect" : "connect", () => {
      const ask = (request: Buffer) =>
        new Promise<Buffer>((answered, lost) => {
          let heard = Buffer.alloc(0);
          socket.on("data", (bytes: Buffer) => {
            heard = Buffer.concat([heard, bytes]);
            const length = heard.length < HEADER_BYTES ? undefined : HEADER_BYTES + heard.readUInt16BE(2);
            if (length === undefined || heard.length < length) return;
            socket.removeAllListeners("data");
            answered(heard.subarray(0, length));
          });
          socket.once("error", lost).once("close", () => lost(new Error("the server closed the connection")));
          socket.write(request);
        });
      ready({ ask, close: () => socket.destroy() });
    });
  });
}

/**
 * Asks a STUN server for this machine's address, or a TURN server for a relay, which is given back at once.
 *
 * @throws Refused when the server does not want to; another error when it does not answer within `timeoutMs`
 */
export async function ask(server: IceServer, timeoutMs: number): Promise<Asked> {
  const address = parse(server.url);
  if (address === undefined) throw new Error("not a stun or turn URI");
  const begun = performance.now();
  const wire = await (address.over === "udp" ? overUdp : overStream)(address, timeoutMs);
  try {
    const say = async (request: Buffer) => {
      const answer = read(await wire.ask(request), request);
      if (answer === undefined) throw new Error("the answer is not one of STUN");
      return answer;
    };
    if (address.kind === "stun") {
      const asked = request(BINDING, []);
      const answer = await say(asked);
      if (answer.isError) throw refusal(answer);
      const mapped = readAddress(answer.attributes.get(MAPPED), asked);
      return { ms: performance.now() - begun, ...(mapped !== undefined && { mapped }) };
    }
    const udp = attribute(TRANSPORT, Buffer.from([17, 0, 0, 0]));
    const challenge = await say(request(ALLOCATE, [udp]));
    const [realm, nonce] = [challenge.attributes.get(REALM), challenge.attributes.get(NONCE)];
    if (realm === undefined || nonce === undefined) throw refusal(challenge);
    const secret = `${server.username}:${realm}:${server.credential}`;
    const key = createHash("md5").update(secret).digest();
    const signed = (method: number, first: Buffer) =>
      request(
        method,
        [
          first,
          attribute(USERNAME, Buffer.from(server.username)),
          attribute(REALM, realm),
          attribute(NONCE, nonce),
        ],
        key,
      );
    const asked = signed(ALLOCATE, udp);
    const answer = await say(asked);
    if (answer.isError) throw refusal(answer);
    const ms = performance.now() - begun;
    await say(signed(REFRESH, attribute(LIFETIME, Buffer.alloc(4)))).catch(() => undefined);
    const mapped = readAddress(answer.attributes.get(MAPPED), asked);
    const relayed = readAddress(answer.attributes.get(RELAYED), asked);
    return { ms, ...(mapped !== undefined && { mapped }), ...(relayed !== undefined && { relayed }) };
  } finally {
    wire.close();
  }
}
