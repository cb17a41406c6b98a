// What kind of address translator this page is behind, from what several STUN servers see of one port.
import { gather } from "./probe.js";
import type { Nat } from "./report.js";

/**
 * Asks STUN servers from one port, and each from another to know that it answers: one that gives no second candidate may have
 * seen the same. Undefined where not two answer over IPv4.
 * @internal
 */
export async function probeNat(servers: readonly RTCIceServer[]): Promise<Nat | undefined> {
  const urls = places(servers.flatMap(({ urls }) => [urls].flat()));
  if (urls.length < 2) return undefined;
  const ask = (urls: string[], enough: (candidate: RTCIceCandidate) => boolean) =>
    gather({ iceServers: [{ urls }] }, enough);
  const [{ candidates }, ...each] = await Promise.all([
    ask(urls, () => false),
    ...urls.map((url) => ask([url], isSeen)),
  ]);
  const answers = each.filter(({ candidates }) => candidates.some(isSeen));
  return answers.length < 2 ? undefined : natOf(candidates);
}

/**
 * Whom to ask, of the STUN servers that are known: the first one, its next port, where servers of ours and coturn answer as well
 * (RFC 5780), and one at another host.
 */
export function places(urls: readonly string[]): string[] {
  const stun = urls.filter((url) => url.startsWith("stun:"));
  const host = (url: string) => url.replace(/:\d+$/, "");
  const [first] = stun;
  if (first === undefined) return [];
  const port = Number(/:(\d+)$/.exec(first.slice("stun:".length))?.[1] ?? 3478);
  const next = port < 65_535 ? [`${host(first)}:${port + 1}`] : [];
  return [first, ...next, ...stun.filter((url) => host(url) !== host(first)).slice(0, 1)];
}

/** An address of IPv4 that a STUN server saw. Translators of IPv6 are not what this is about. */
const isSeen = ({ type, address }: RTCIceCandidate) => type === "srflx" && !address?.includes(":");

/**
 * What the candidates of one connection that asked all of them say.
 */
export function natOf(candidates: readonly RTCIceCandidate[]): Nat {
  const sockets = new Map<string, Set<string>>();
  for (const candidate of candidates.filter(isSeen)) {
    const { relatedPort, priority, address, port } = candidate;
    // Those of one socket differ in nothing else: the lower bits of the priority number the servers, in Firefox.
    const socket = `${relatedPort} ${(priority ?? 0) >>> 13}`;
    sockets.set(socket, (sockets.get(socket) ?? new Set()).add(`${address}:${port}`));
  }
  return [...sockets.values()].some((places) => places.size > 1) ? "symmetric" : "cone";
}
