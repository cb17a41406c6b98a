// The smallest signaling server there can be, for comparison: it tells a newcomer who is in the room and passes texts
// on. WebSocket (RFC 6455) as far as that needs: text messages in one frame of less than 64 KiB. Its argument is the
// address to listen on; it prints the port as the real server does.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 0x81;

function frame(text) {
  const payload = Buffer.from(text);
  const long = payload.length > 125;
  const header = Buffer.alloc(long ? 4 : 2);
  header[0] = TEXT;
  header[1] = long ? 126 : payload.length;
  if (long) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

/** Calls `onText` for every text message; anything else ends the connection. */
function readFrames(socket, onText) {
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2) {
      const short = rest[1] & 0x7f;
      if (rest[0] !== TEXT || short === 127) return socket.destroy();
      const start = short === 126 ? 4 : 2;
      if (rest.length < start) return;
      const length = short === 126 ? rest.readUInt16BE(2) : short;
      const end = start + 4 + length;
      if (rest.length < end) return;
      const mask = rest.subarray(start, start + 4);
      const payload = rest.subarray(start + 4, end).map((byte, index) => byte ^ mask[index % 4]);
      rest = rest.subarray(end);
      onText(payload.toString("utf8"));
    }
  });
}

const [, , host] = process.argv;
const members = new Map();
let nextId = 1;
const server = createServer();
server.on("upgrade", (request, socket) => {
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + KEY_SUFFIX);
  socket.setNoDelay(true);
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
  );
  const id = nextId++;
  const member = { room: undefined, send: (message) => socket.write(frame(JSON.stringify(message))) };
  readFrames(socket, (text) => {
    const { join, to, ...what } = JSON.parse(text);
    if (join === undefined) return members.get(to)?.send({ from: id, ...what });
    const peers = [...members].filter(([, { room }]) => room === join).map(([peer]) => peer);
    member.room = join;
    members.set(id, member);
    member.send({ peers });
  });
  socket.on("error", () => {});
  socket.on("close", () => members.delete(id));
});
server.listen(0, host, () => console.log(`listening on http://${host}:${server.address().port}`));
