// What hostile clients do. Each act has one connection, and gives how many messages it sent; the connection may end at any time.
import { readdirSync, readFileSync } from "node:fs";
import { join as joinPath } from "node:path";
import { fileURLToPath } from "node:url";
import { sleep } from "./client.mjs";
import { deposit, frame, join, ping, relay, signal } from "./frames.mjs";

const CORPUS = fileURLToPath(new URL("../../fuzz/corpus", import.meta.url));
const FOLDERS = ["signaling_frames", "hello_and_cards", "session_frames", "page", "tokens"];

/** What fuzzing has found to reach much. */
export function readCorpus() {
  return FOLDERS.flatMap((folder) =>
    readdirSync(joinPath(CORPUS, folder)).map((name) => readFileSync(joinPath(CORPUS, folder, name))),
  );
}

/** A valid message of any kind. */
function valid(chance, { rooms, stays, corpus }) {
  const stay = chance.one([...stays, { id: chance.bytes(16), epoch: chance.below(1_000) }]);
  const content = chance.one([chance.one(corpus), chance.bytes(chance.below(300)), Buffer.alloc(0)]);
  return chance.one([
    () => join(chance.one(rooms), chance.bytes(32), chance.bytes(32)),
    () => signal(stay, content),
    () => relay(stay, content),
    () => deposit(content.subarray(0, 1_000)),
    () => ping,
  ])();
}

/** Joins a room as anybody may; gives whether the server has let it. */
async function enter(client, chance, { port, rooms }) {
  const joined = join(chance.one(rooms), chance.bytes(32), chance.bytes(32));
  if (chance.below(2) === 0) return client.open(port, { early: joined });
  if (!(await client.open(port))) return false;
  client.say(joined);
  return true;
}

/** A member that says valid messages and mutated ones. */
async function mutated(client, chance, world) {
  let sent = 0;
  if (!(await enter(client, chance, world))) return sent;
  const many = 1 + chance.below(60);
  for (; sent < many && client.isOpen; sent += 1) {
    const base = chance.one([chance.one(world.corpus), valid(chance, world)]);
    const last = chance.below(8) === 0;
    client.say(last ? chance.mutate(base) : valid(chance, world));
    if (chance.below(4) === 0) await sleep(chance.below(30));
  }
  return sent;
}

/** The first message is one that fuzzing found, or a mutated join. */
async function wrongJoin(client, chance, world) {
  const joined = join(chance.one(world.rooms), chance.bytes(32), chance.bytes(32));
  const wrong = chance.mutate(chance.one([joined, chance.one(world.corpus)]));
  if (chance.below(2) === 0 && wrong.length < 4_000)
    return Number(await client.open(world.port, { early: wrong }));
  if (!(await client.open(world.port))) return 0;
  client.say(wrong);
  return 1;
}

/** Frames that are none: cut off, unmasked, of unknown kinds, with bits that nobody agreed on, with lengths that lie. */
async function wrongFrames(client, chance, world) {
  if (!(await enter(client, chance, world))) return 0;
  const payload = chance.bytes(chance.below(200));
  const wrong = chance.one([
    () => frame(2, payload).subarray(0, -1 - chance.below(payload.length + 4)),
    () => frame(2, payload, { masked: false }),
    () => frame(3 + chance.below(5), payload),
    () => frame(11 + chance.below(5), payload),
    () => frame(2, payload, { reserved: 1 + chance.below(7) }),
    () => frame(2, payload, { claims: 2 ** 40 }),
    () => frame(2, payload, { claims: 2 ** 53 }),
    () => frame(9, chance.bytes(126 + chance.below(500))),
    // A valid code would only come back.
    () => frame(8, chance.one([[7], [0, 0], [3, 0xed], [0xff, 0xff], [3, 232, 0xff]].map(Buffer.from))),
    () => frame(0, payload),
    () => Buffer.concat([frame(2, payload, { last: false }), frame(2, payload)]),
    () => frame(2, chance.bytes(65_536 + chance.below(100_000))),
    () => chance.bytes(1 + chance.below(2_000)),
  ])();
  client.write(wrong);
  return 1;
}

/** Text, which nobody takes, and some of it no UTF-8. */
async function text(client, chance, world) {
  if (!(await enter(client, chance, world))) return 0;
  client.write(frame(1, chance.one([Buffer.of(0xff, 0xfe), Buffer.of(0xed, 0xa0, 0x80), Buffer.from("{}")])));
  return 1;
}

/** One message in thousands of parts, most of them empty. */
async function parts(client, chance, world) {
  if (!(await enter(client, chance, world))) return 0;
  client.write(frame(2, ping, { last: false }));
  const part = frame(0, chance.bytes(chance.below(3)), { last: false });
  const many = Buffer.concat(Array(500).fill(part));
  let sent = 1;
  for (; sent < 10_000 && client.isOpen; sent += 500) {
    client.write(many);
    await sleep(1);
  }
  return sent;
}

/** As many small messages as go, or pings of WebSocket's own. */
async function flood(client, chance, world) {
  if (!(await enter(client, chance, world))) return 0;
  const one = frame(chance.one([2, 9, 10]), ping);
  const many = Buffer.concat(Array(200).fill(one));
  let sent = 0;
  for (; sent < 4_000 && client.isOpen; sent += 200) {
    client.write(many);
    await sleep(2);
  }
  return sent;
}

/** To an honest member, more at once than can wait for it. */
async function burst(client, chance, world) {
  if (!(await enter(client, chance, world))) return 0;
  const many = Buffer.concat(Array(95).fill(frame(2, signal(chance.one(world.stays), chance.bytes(40)))));
  client.write(many);
  return 95;
}

/** Opens a WebSocket and does not join, or begins a join and does not end it. */
async function halfJoin(client, chance, { port, rooms }) {
  if (!(await client.open(port))) return 0;
  const joined = frame(2, join(chance.one(rooms), chance.bytes(32), chance.bytes(32)));
  client.write(joined.subarray(0, chance.below(joined.length)));
  await sleep(chance.below(2_500));
  return 0;
}

/** A request of which a byte comes now and then. */
async function slow(client, chance, { port }) {
  const head = Buffer.from(`GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Slow: ${"s".repeat(5_000)}`);
  const pause = 5 + chance.below(60);
  for (let at = 0; at < head.length && client.isOpen; at += 1) {
    client.write(head.subarray(at, at + 1));
    await sleep(pause);
  }
  return 0;
}

const METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "get", "G\u0000T", "PRI", "CONNECT"];
const PATHS = [
  "/ws",
  "/",
  "/healthz",
  "/../../etc/passwd",
  "*",
  "//",
  "/%00",
  "/ws?x=1",
  `/${"a".repeat(9_000)}`,
];
const HEADERS = [
  "Origin: http://evil.example",
  "Origin: null",
  "Upgrade: websocket",
  "Upgrade: h2c",
  "Connection: Upgrade",
  "Connection: close",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Version: 99",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Key: short",
  "Sec-WebSocket-Protocol: peerloom.v1",
  "Sec-WebSocket-Protocol: join.AVIA, peerloom.v1",
  "Sec-WebSocket-Extensions: permessage-deflate",
  "Content-Length: 99999999999999999999",
  "Content-Length: -1",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip, chunked",
  "X-Forwarded-For: 10.0.0.1",
  "Host: evil.example",
  "Expect: 100-continue",
  "Bad Header",
  ": nothing",
  "Folded: a\r\n b",
  "Null: a\u0000b",
];

/** Requests of any kind, most of them wrong. */
async function head(client, chance, { port }) {
  const version = chance.one(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]);
  const lines = [`${chance.one(METHODS)} ${chance.one(PATHS)} ${version}`, `Host: 127.0.0.1:${port}`];
  const many = chance.below(chance.below(10) === 0 ? 150 : 8);
  for (let n = 0; n < many; n += 1) lines.push(chance.one(HEADERS));
  const request = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  client.write(chance.below(3) === 0 ? chance.mutate(request) : request);
  client.write(chance.bytes(chance.below(100)));
  return 0;
}

export const acts = { mutated, wrongJoin, wrongFrames, text, parts, flood, burst, halfJoin, slow, head };
