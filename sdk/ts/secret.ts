/** A new secret for a room: 256 random bits as base64url. Give it to those who may enter, and to nobody else. */
export function createRoomSecret(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @internal */
export function base64url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** What {@link RoomBase.invite} put into a link, to be given to `join`; undefined when there is nothing. */
export function readInvite(
  link: string | URL = location.href,
): { room: string; secret?: string } | undefined {
  const [room, secret] = new URL(link).hash.slice(1).split("&").map(decode);
  if (!room) return undefined;
  return secret ? { room, secret } : { room };
}

/** Others write what they like into a link; what cannot be read is as good as nothing. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
