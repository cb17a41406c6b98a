// Peerloom as an application uses it.
import { channel, join, load, type Peer } from "peerloom";
import type { Relay } from "./contender.ts";

const protocol = { chat: channel<string>() };
const enter = (room: string, relay: Relay) => join(location.origin, { room, protocol, relay });

globalThis.contender = {
  prepare: () => load(),

  async stay(room, relay) {
    const entered = await enter(room, relay);
    entered.on("peer", ({ peer, state }) => {
      // Sent at once; it waits for the connection.
      if (state === "joined") void entered.chat.send("hello", { to: peer });
    });
  },

  async arrive(room, relay) {
    const began = performance.now();
    const entered = await enter(room, relay);
    const joinedMs = performance.now() - began;
    const greeted = await new Promise<{ from: Peer; messageMs: number }>((done) => {
      entered.chat.on(({ from }) => done({ from, messageMs: performance.now() - began }));
    });
    const { path } = await greeted.from.stats();
    return { joinedMs, messageMs: greeted.messageMs, path };
  },
};
