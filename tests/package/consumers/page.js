// A user's page: joins the room named in its address and shows the test what it has.
import { channel, join } from "peerloom";

const asked = new URLSearchParams(location.search);
globalThis.received = [];
try {
  const room = await join(asked.get("server"), { room: asked.get("room"), protocol: { chat: channel() } });
  room.chat.on(({ from, data }) => globalThis.received.push({ from: from.id, data }));
  globalThis.room = room;
} catch (error) {
  globalThis.failure = `${error.code}: ${error.message}`;
}
