/**
 * Which room, at which server, speaking what: everything the demo asks of Peerloom is declared here.
 *
 * The room's name is in the fragment (`#room=…`), which browsers never send to a server, and so is the secret of a
 * private room (`&secret=…`), or that there is a passphrase to ask for (`&ask=passphrase`), which is in no address. Without a
 * name everybody meets in "lobby". `?server=https://…` names another signaling server than the page's own.
 */
import { channel, createRoomSecret, join, PeerloomError, type Room } from "peerloom";
import { pick, suggestName } from "./names";
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

/** A room by its name, and how it is kept to those who are meant: by its secret, or by a passphrase that people are asked for. */
export interface Place {
  readonly room: string;
  readonly secret?: string;
  readonly ask?: "passphrase";
}

/** The room this address asks for. */
export function placeOf(location: Location): Place {
  const asked = new URLSearchParams(location.hash.slice(1));
  const room = asked.get("room")?.trim().slice(0, 128) || DEFAULT_ROOM;
  const secret = asked.get("secret");
  if (secret !== null) return { room, secret };
  return asked.get("ask") === "passphrase" ? { room, ask: "passphrase" } : { room };
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

/** A new room for those who are told its passphrase. The name keeps others apart who choose the same words. */
export function passphraseRoom(): Place {
  return { room: `${suggestName()} ${100 + pick(900)}`, ask: "passphrase" };
}

/** The server to ask for introductions. */
export function serverUrl(location: Location): string {
  return new URLSearchParams(location.search).get("server") ?? location.origin;
}

/** What was typed as it is meant: whoever hears a passphrase hears neither capitals nor how many spaces there are. */
function spoken(passphrase: string): string {
  return passphrase.trim().replaceAll(/\s+/g, " ").toLowerCase();
}

/** Whether this is an error of Peerloom's with this code. */
export function hasCode(error: unknown, code: PeerloomError["code"]): boolean {
  return error instanceof PeerloomError && error.code === code;
}

/**
 * Joins, and tries again while the server is out of reach. `onRetry` says when, in seconds, and why.
 * @throws PeerloomError `bad-secret` or `bad-passphrase`: no second try would help
 */
export async function joinRoom(
  { room, secret }: Place,
  passphrase: string | undefined,
  me: () => Profile,
  onRetry: (seconds: number, error: unknown) => void,
): Promise<DemoRoom> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const { name, dye } = me();
      return await join(serverUrl(location), {
        room,
        ...(secret === undefined ? {} : { secret }),
        ...(passphrase === undefined ? {} : { passphrase: spoken(passphrase) }),
        protocol,
        metadata: { name, dye },
      });
    } catch (error) {
      if (hasCode(error, "bad-secret") || hasCode(error, "bad-passphrase")) throw error;
      const seconds = Math.min(15, 2 ** attempt);
      onRetry(seconds, error);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}
