/** Who has come into a room with a passphrase with another one than ours. Nothing passes between them and us. */
import type { DemoRoom } from "./room";

/** Calls `changed` with how many of them are in the room, whenever that changes. */
export function watchStrangers(room: DemoRoom, changed: (count: number) => void): void {
  const strangers = new Set<string>();
  room.on("error", ({ error, peer }) => {
    if (error.code !== "wrong-passphrase" || peer === undefined) return;
    strangers.add(peer.id);
    changed(strangers.size);
  });
  room.on("peer", ({ peer, state }) => {
    // Whoever leaves may come back with the right one.
    if ((state === "left" || state === "connected") && strangers.delete(peer.id)) changed(strangers.size);
  });
}
