/**
 * Which room, at which server, speaking what: everything the demo asks of Peerloom is declared here.
 *
 * The room's name is in the fragment (`#room=…`), which browsers never send to a server, and so is the secret of a
 * private room (`&secret=…`); without a name everybody meets in "lobby". `?server=https://…` names another signaling server than the page's own.
 */
import { channel, createRoomSecret, join, PeerloomError, type Room } from "peerloom";
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

/** A room by its name, and by its secret if it is private. */
export interface Place {
  readonly room: string;
  readonly secret?: string;
}

/** The room this address asks for. */
export function placeOf(location: Location): Place {
  const asked = new URLSearchParams(location.hash.slice(1));
  const room = asked.get("room")?.trim().slice(0, 128) || DEFAULT_ROOM;
  const secret = asked.get("secret");
  return secret === null ? { room } : { room, secret };
}

/** The address that brings somebody else into the same room, at the same server. */
export function invitation(location: Location, place: Place): string {
  const url = new URL(location.href);
  url.hash = new URLSearchParams({ ...place }).toString();
  return url.href;
}

/** A new room that only those find and enter who have the link. */
export function privateRoom(): Place {
  return { room: "private", secret: createRoomSecret() };
}

/** The server to ask for introductions. */
export function serverUrl(location: Location): string {
  return new URLSearchParams(location.search).get("server") ?? location.origin;
}

/**
 * Joins, and tries again while the server is out of reach. `onRetry` says when, in seconds, and why.
 * @throws PeerloomError `bad-secret`: no second try would help
 */
export async function joinRoom(
  place: Place,
  me: () => Profile,
  onRetry: (seconds: number, error: unknown) => void,
): Promise<DemoRoom> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const { name, dye } = me();
      return await join(serverUrl(location), { ...place, protocol, metadata: { name, dye } });
    } catch (error) {
      if (error instanceof PeerloomError && error.code === "bad-secret") throw error;
      const seconds = Math.min(15, 2 ** attempt);
      onRetry(seconds, error);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}
