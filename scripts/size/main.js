// The smallest page that joins a room and sends: what `npm run build` measures.
import { channel, join } from "peerloom";

const room = await join(location.href, { room: "hello", protocol: { chat: channel() } });
room.chat.on(({ data }) => console.log(data));
await room.chat.send("hello");
