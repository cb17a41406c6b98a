/** What the words of the trade mean: paths, candidates, spans of time. */
import type { PeerStats } from "peerloom";
import type { LinkPath } from "./schemas";

/** What each path means. */
export const PATH_MEANING: Record<LinkPath, string> = {
  connecting: "The two browsers are finding a way to each other.",
  direct: "Straight from browser to browser.",
  turn: "Through a TURN relay, which cannot read it.",
  relay: "Through the server, sealed so that it cannot read it, until a direct path opens.",
};
export const SILENT = "Nothing is heard from them. What you send waits until they are back.";

/** Where packets of a direct path begin or end, by the kind of candidate (RFC 8445). */
const CANDIDATES: Record<string, string> = {
  host: "an address of its own network",
  srflx: "the public address, as a STUN server saw it",
  prflx: "an address that the other end saw",
  relay: "a TURN server",
};

/** Such as "a TURN server, by UDP (relay)". */
export function candidateWords(type: string | undefined, relayProtocol?: string): string {
  if (type === undefined) return "not known";
  const over = type === "relay" && relayProtocol ? `, by ${relayProtocol.toUpperCase()}` : "";
  return `${CANDIDATES[type] ?? "an address"}${over} (${type})`;
}

/** Both ends of the path in words: this one, then the other. */
export function endWords(stats: PeerStats): [string, string] {
  if (stats.path === "connecting") return ["not known yet", "not known yet"];
  if (stats.path === "relay") return ["the signaling server (WebSocket)", "the signaling server (WebSocket)"];
  return [
    candidateWords(stats.localCandidateType, stats.relayProtocol),
    candidateWords(stats.remoteCandidateType),
  ];
}

/** `400` as "0.4 s", `200000` as "3 min 20 s". */
export function formatSpan(ms: number): string {
  const seconds = ms / 1000;
  if (ms < 50) return "<0.1 s";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The time of the day, to the second. */
export function formatClock(at: number): string {
  return CLOCK.format(at);
}

/** A share from 0 to 1 as "0 %" or "1.5 %". */
export function formatShare(share: number): string {
  const percent = 100 * share;
  return `${percent === 0 || percent >= 9.95 ? percent.toFixed(0) : percent.toFixed(1)}\u00a0%`;
}
