import { type Evidence, explain } from "./explain.js";
import { probeIceServers, probeServer } from "./probe.js";
import type { AttemptReport, CandidateKinds, Report } from "./report.js";

/**
 * Numbers for each attempt, as the core gives them.
 * @internal
 */
export function readAttempts(numbers: ArrayLike<number>): AttemptReport[] {
  const attempts: AttemptReport[] = [];
  const all = Array.from(numbers);
  for (let at = 0; at + 9 <= all.length; at += 9) {
    const [generation = 0, begunAgo = 0, ...rest] = all.slice(at, at + 9);
    const [local = 0, remote = 0] = rest.splice(5);
    const [describedMs, answeredMs, connectedMs, openMs, endedMs] = rest.map((ago) =>
      ago < 0 ? undefined : begunAgo - ago,
    );
    attempts.push({
      by: generation === 0 ? "card" : "offer",
      begunAgo,
      ...(describedMs !== undefined && { describedMs }),
      ...(answeredMs !== undefined && { answeredMs }),
      ...(connectedMs !== undefined && { connectedMs }),
      ...(openMs !== undefined && { openMs }),
      ...(endedMs !== undefined && { endedMs }),
      local: readKinds(local),
      remote: readKinds(remote),
    });
  }
  return attempts;
}

function readKinds(bits: number): CandidateKinds {
  const has = (bit: number) => (bits & bit) !== 0;
  return {
    host: has(1),
    hidden: has(2),
    srflx: has(4),
    relay: has(8),
    ipv4: has(16),
    ipv6: has(32),
  };
}

/**
 * Asks the servers, and says what all that is known comes to.
 * @internal
 */
export async function diagnose(
  url: string,
  iceServers: readonly RTCIceServer[],
  peer: Evidence["peer"],
): Promise<Report> {
  const hasWebRtc = typeof RTCPeerConnection !== "undefined";
  const [server, probed] = await Promise.all([
    probeServer(url),
    hasWebRtc ? probeIceServers(iceServers) : [],
  ]);
  const evidence: Evidence = {
    online: navigator.onLine,
    hasWebRtc,
    server,
    iceServers: probed,
    ...(peer !== undefined && { peer }),
  };
  return {
    ...explain(evidence),
    ...(peer !== undefined && { path: peer.path }),
    ...(peer?.error !== undefined && { error: peer.error.code }),
    server,
    iceServers: probed,
    attempts: peer?.attempts ?? [],
    userAgent: navigator.userAgent,
  };
}
