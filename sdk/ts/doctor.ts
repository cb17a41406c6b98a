import { PeerloomError } from "./errors.js";
import { loadPart } from "./part.js";
import type { Report } from "./report.js";

/**
 * Finds out how this page reaches a signaling server, by its address as for `join`, and STUN and TURN servers, without joining
 * anything. Where there is a room, ask {@link RoomBase.diagnose}. Takes up to five seconds.
 *
 * @throws PeerloomError `bad-url`, `load-failed`
 */
export async function diagnose(
  url: string | URL,
  options: { readonly iceServers?: readonly RTCIceServer[] } = {},
): Promise<Report> {
  const address = absolute(url);
  if (!/^(https?|wss?):/.test(address)) {
    throw new PeerloomError("bad-url", `not an http, https, ws or wss address: ${address}`);
  }
  return (await loadDiagnosis()).diagnose(address, options.iceServers ?? []);
}

/**
 * Loaded when somebody asks.
 * @internal
 */
export const loadDiagnosis = () => loadPart("diagnose.js", () => import("./diagnose.js"));

/**
 * An address relative to the page, such as "/", means the page's own server.
 * @internal
 */
export function absolute(url: string | URL): string {
  const base = typeof location === "undefined" ? undefined : location.href;
  return URL.canParse(url, base) ? new URL(url, base).href : String(url);
}
