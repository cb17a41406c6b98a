import { type Evidence, explain } from "./explain.js";
import { probeNat } from "./nat.js";
import { overUdp, probeIceServers, probeServer } from "./probe.js";
import type { AttemptReport, CandidateKinds, JoiningReport, Report } from "./report.js";

/**
 * Numbers for each attempt, as the core gives them.
 */
export function readAttempts(numbers: ArrayLike<number>): AttemptReport[] {
  const attempts: AttemptReport[] = [];
  const all = Array.from(numbers);
  for (let at = 0; at + EACH <= all.length; at += EACH) {
    const [generation = 0, begunAgo = 0, ...rest] = all.slice(at, at + EACH);
    const [local = 0, remote = 0] = rest.splice(STEPS.length);
    attempts.push({
      by: generation === 0 ? "card" : "offer",
      begunAgo,
      ...after(begunAgo, STEPS, rest),
      local: readKinds(local),
      remote: readKinds(remote),
    });
  }
  return attempts;
}

const STEPS = ["describedMs", "answeredMs", "iceMs", "connectedMs", "openMs", "heardMs", "endedMs"] as const;
const EACH = STEPS.length + 4;

/** How long after the beginning each step was; of numbers that say how long ago it was, or -1. */
function after<S extends string>(
  begunAgo: number,
  steps: readonly S[],
  agos: readonly number[],
): { [step in S]?: number } {
  const known = steps.flatMap((step, at) => {
    const ago = agos[at] ?? -1;
    return ago < 0 ? [] : [[step, begunAgo - ago]];
  });
  return Object.fromEntries(known);
}

/**
 * How joining went, as the core says.
 */
export function readJoining(numbers: ArrayLike<number>): JoiningReport | undefined {
  const [begunAgo = -1, ...agos] = Array.from(numbers);
  if (begunAgo < 0) return undefined;
  return { begunAgo, ...after(begunAgo, ["webSocketMs", "joinedMs"] as const, agos) };
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
  joining?: JoiningReport,
  peer?: Evidence["peer"],
): Promise<Report> {
  const hasWebRtc = typeof RTCPeerConnection !== "undefined";
  const [server, probed, nat] = await Promise.all([
    probeServer(url),
    hasWebRtc ? probeIceServers(iceServers) : [],
    hasWebRtc ? probeNat(iceServers) : undefined,
  ]);
  const asked = probed.filter(({ unasked }) => !unasked);
  const byUdp = asked.filter(overUdp);
  const evidence: Evidence = {
    online: navigator.onLine,
    hasWebRtc,
    server,
    iceServers: asked,
    ...(nat !== undefined && { nat }),
    ...(peer !== undefined && { peer }),
  };
  return {
    ...explain(evidence),
    ...(peer !== undefined && { path: peer.path }),
    ...(peer?.error !== undefined && { error: peer.error.code }),
    server,
    ...(joining !== undefined && { joining }),
    iceServers: probed,
    ...(byUdp.length > 0 && { udp: byUdp.some(({ ms }) => ms !== undefined) }),
    ...(nat !== undefined && { nat }),
    attempts: peer?.attempts ?? [],
    userAgent: navigator.userAgent,
  };
}
