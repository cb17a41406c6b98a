/** Looks at a server as a page that joins a room does, step by step. */
import { createRoomSecret, diagnose, join, PeerloomError, type Report } from "peerloom";
import type { Joining } from "./report";

/** What is known so far, or in the end. */
export interface Found {
  readonly report: Report;
  readonly joining?: Joining;
  /** Whether there is more to come. */
  readonly isPart?: true;
}

/** How long entering a room may take. */
const JOIN_MS = 8_000;

/**
 * The server to look at: the one of `?server=`, or the page's own.
 * @throws RangeError when that is no address of a server
 */
export function serverOf(location: Location): string {
  const asked = new URLSearchParams(location.search).get("server");
  if (asked === null) return location.origin;
  const url = URL.canParse(asked) ? new URL(asked) : undefined;
  if (!url || !/^(https?|wss?):$/.test(url.protocol)) {
    throw new RangeError("The address after ?server= must begin with https, http, wss or ws.");
  }
  // Names and passwords have no place in a report.
  const path = url.pathname.replace(/\/$/, "");
  return `${url.protocol}//${url.host}${path}`;
}

/**
 * Asks the server, enters a room of its own for a moment to be told of the STUN and TURN servers, and asks those. What is known
 * early is told to `onPart`.
 */
export async function look(server: string, onPart: (found: Found) => void): Promise<Found> {
  const first = await diagnose(server);
  if (first.server.webSocketMs === undefined) return { report: first };
  onPart({ report: first, isPart: true });
  try {
    // Nobody else comes upon this name.
    const room = await join(server, {
      room: `check ${createRoomSecret()}`,
      timeoutMs: JOIN_MS,
      resume: false,
    });
    try {
      const report = await room.diagnose();
      // The server names STUN and TURN servers right after it has let a page in. Where there are none that takes no longer
      // than an answer of the server, and what it had to say before that is here then.
      return { report: report.iceServers.length > 0 ? report : await room.diagnose() };
    } finally {
      void room.leave();
    }
  } catch (error) {
    const [code, message] =
      error instanceof PeerloomError ? [error.code, error.message] : ["error", String(error)];
    const report = error instanceof PeerloomError ? await error.diagnose?.().catch(() => first) : undefined;
    return { report: report ?? first, joining: { code, message } };
  }
}
