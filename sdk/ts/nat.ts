// What kind of address translator this page is behind, from what two STUN servers see of one port.
import { gather, probeIceServer } from "./probe.js";
import type { Nat } from "./report.js";

/**
 * Asks two STUN servers from one port: two that are given, or one and the port behind its own, where servers of ours and coturn
 * answer as well. Undefined where the two do not both answer.
 * @internal
 */
export async function probeNat(servers: readonly RTCIceServer[]): Promise<Nat | undefined> {
  const pair = twoServers(servers.flatMap(({ urls }) => [urls].flat()));
  if (pair === undefined) return undefined;
  const [found, answers] = await Promise.all([
    gather({ iceServers: [{ urls: pair }] }, () => false),
    // By a connection for each: one that gives no second candidate may have had no answer, or the same.
    Promise.all(pair.map((urls) => probeIceServer({ urls }))),
  ]);
  return answers.every(({ ms }) => ms !== undefined) ? natOf(found.candidates) : undefined;
}

/**
 * Two addresses to ask, of these.
 * @internal
 */
export function twoServers(urls: readonly string[]): [string, string] | undefined {
  const stun = urls.filter((url) => url.startsWith("stun:"));
  const host = (url: string) => url.replace(/:\d+$/, "");
  const [first] = stun;
  if (first === undefined) return undefined;
  const other = stun.find((url) => host(url) !== host(first));
  if (other !== undefined) return [first, other];
  const port = Number(/:(\d+)$/.exec(first.slice("stun:".length))?.[1] ?? 3478);
  return port < 65_535 ? [first, `${host(first)}:${port + 1}`] : undefined;
}

/**
 * What the candidates of one connection that asked both say.
 * @internal
 */
export function natOf(candidates: readonly RTCIceCandidate[]): Nat | undefined {
  const ofUdp = candidates.filter(({ protocol, address }) => protocol === "udp" && !address?.includes(":"));
  const seen = ofUdp.filter(({ type }) => type === "srflx");
  const place = ({ address, port }: RTCIceCandidate) => `${address}:${port}`;
  const own = new Set(ofUdp.filter(({ type }) => type === "host").map(place));
  // Those of one socket differ in nothing else: the lower bits of the priority number the servers, in Firefox.
  const sockets = new Map<string, Set<string>>();
  for (const candidate of seen) {
    const { relatedPort, priority } = candidate;
    const socket = `${relatedPort} ${(priority ?? 0) >>> 13}`;
    sockets.set(socket, (sockets.get(socket) ?? new Set()).add(place(candidate)));
  }
  if ([...sockets.values()].some((places) => places.size > 1)) return "symmetric";
  if (seen.some((candidate) => !own.has(place(candidate)))) return "cone";
  return own.size > 0 ? "none" : undefined;
}
