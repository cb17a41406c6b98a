/**
 * Which room, at which server, speaking what: everything the demo asks of Peerloom is declared here.
 *
 * The room's name is in the fragment (`#room=…`), which browsers never send to a server; without one,
 * everybody meets in "lobby". `?server=https://…` names another signaling server than the page's own.
 */
import { channel, join, type Room } from "peerloom";
import { chatSchema, cursorSchema, fileSchema, linksSchema, type Profile, profileSchema } from "./schemas";

/** The channels of this page. Both ends declare the same labels; the schemas check what arrives. */
export const protocol = {
  chat: channel(chatSchema),
  cursor: channel(cursorSchema, { delivery: "latest" }),
  profile: channel(profileSchema, { delivery: "latest" }),
  links: channel(linksSchema, { delivery: "latest" }),
  file: channel(fileSchema),
  piece: channel.bytes(),
};

export type DemoRoom = Room<typeof protocol>;

const DEFAULT_ROOM = "lobby";

/** The room this address asks for. */
export function roomName(location: Location): string {
  const asked = new URLSearchParams(location.hash.slice(1)).get("room")?.trim();
  return asked ? asked.slice(0, 128) : DEFAULT_ROOM;
}

/** The address that brings somebody else into the same room, at the same server. */
export function invitation(location: Location, room: string): string {
  const url = new URL(location.href);
  url.hash = new URLSearchParams({ room }).toString();
  return url.href;
}

/** A room name nobody guesses: 128 random bits. */
export function privateRoomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `private-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The server to ask for introductions. */
export function serverUrl(location: Location): string {
  return new URLSearchParams(location.search).get("server") ?? location.origin;
}

/** Joins, and tries again while the server is out of reach. `onRetry` says when, in seconds, and why. */
export async function joinRoom(
  room: string,
  me: () => Profile,
  onRetry: (seconds: number, error: unknown) => void,
): Promise<DemoRoom> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const { name, dye } = me();
      return await join(serverUrl(location), { room, protocol, metadata: { name, dye } });
    } catch (error) {
      const seconds = Math.min(15, 2 ** attempt);
      onRetry(seconds, error);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}
