// From what was found to what it means. Nothing here asks a browser.
import { overUdp } from "./probe.js";
import type {
  AttemptReport,
  CandidateKinds,
  Finding,
  IceServerReport,
  Nat,
  Report,
  ServerReport,
} from "./report.js";

/** What was found. */
export interface Evidence {
  readonly online: boolean;
  readonly hasWebRtc: boolean;
  readonly server: ServerReport;
  /** Those that were asked. */
  readonly iceServers: readonly IceServerReport[];
  readonly nat?: Nat;
  /** About a peer. */
  readonly peer?: {
    readonly path: NonNullable<Report["path"]>;
    readonly error?: { readonly code: string; readonly message: string };
    readonly attempts: readonly AttemptReport[];
  };
}

type Explanation = Pick<Report, "finding" | "cause" | "remedy" | "confidence">;

const explanation = (
  finding: Finding,
  confidence: Report["confidence"],
  cause: string,
  remedy: string,
): Explanation => ({ finding, cause, remedy, confidence });

const isTurn = ({ url }: IceServerReport) => url.startsWith("turn");
/** What the end of an attempt is called that no candidates came from. */
const hasNone = (kinds: CandidateKinds) => !kinds.host && !kinds.hidden && !kinds.srflx && !kinds.relay;
const RELAYED = "Messages go through the signaling server meanwhile.";

/**
 * The first of these that fits is what is told: what makes everything else impossible comes first.
 */
export function explain(evidence: Evidence): Explanation {
  const { online, hasWebRtc, server, iceServers, nat, peer } = evidence;
  if (peer?.path === "direct") {
    return explanation("direct", "certain", "Messages go from browser to browser.", "Nothing is to be done.");
  }
  if (peer?.path === "turn") {
    return explanation("turn", "certain", "Messages go through a TURN server.", "Nothing is to be done.");
  }
  if (!online) {
    return explanation("offline", "likely", "This machine has no network.", "Connect it to one.");
  }
  const unreachable = ofServer(server);
  if (unreachable !== undefined) return unreachable;
  if (!hasWebRtc) {
    return explanation(
      "no-webrtc",
      "certain",
      "This browser makes no direct connections: WebRTC is switched off.",
      `Switch it on in the browser's settings, or look for an extension that does this. ${RELAYED}`,
    );
  }
  const skewed = ofClock(server, iceServers, peer?.error?.code);
  if (skewed !== undefined) return skewed;
  if (peer?.error !== undefined && !TRIED.has(peer.error.code)) {
    return explanation(
      "refused",
      "certain",
      `There is no connection with this peer: ${peer.error.message}.`,
      "docs/errors.md says for this code what can be done.",
    );
  }
  if (peer === undefined) {
    return (
      ofIceServers(iceServers) ??
      explanation("alone", "certain", "Nothing stands in the way here.", "Ask about a peer.")
    );
  }
  return ofAttempts(peer.attempts, iceServers, nat);
}

/** Clocks that agree to this many milliseconds do no harm: credentials are good for minutes. */
const AGREES_MS = 60_000;

/** What is made with a clock is refused, and the clocks differ. */
function ofClock(
  { clockAheadMs = 0 }: ServerReport,
  servers: readonly IceServerReport[],
  code: string | undefined,
): Explanation | undefined {
  const isRefused = code === "unauthorized" || isUnauthorized(servers);
  if (!isRefused || Math.abs(clockAheadMs) < AGREES_MS) return undefined;
  const minutes = Math.round(Math.abs(clockAheadMs) / 60_000);
  return explanation(
    "clock-skew",
    "likely",
    `This machine's clock is ${minutes} minutes ${clockAheadMs > 0 ? "ahead of" : "behind"} the server's, and what was made with it is refused.`,
    "Set the clock; or have tokens and credentials made by a server.",
  );
}

/** That all TURN servers refuse, and at least one for its credentials. */
function isUnauthorized(servers: readonly IceServerReport[]): boolean {
  const turn = servers.filter(isTurn);
  const refuses = ({ error = 0 }: IceServerReport) => [401, 403, 441].includes(error);
  return turn.every(({ ms }) => ms === undefined) && turn.some(refuses);
}

/** What a peer is said to have failed with when no path was found. Other codes say themselves what is wrong. */
const TRIED = new Set(["no-path", "peer-gave-up"]);

function ofServer({ httpMs, webSocketMs }: ServerReport): Explanation | undefined {
  if (webSocketMs !== undefined) return undefined;
  if (httpMs !== undefined) {
    return explanation(
      "websocket-blocked",
      "likely",
      "The signaling server answers, but no WebSocket to it can be opened.",
      "Have the proxy or firewall in between let WebSockets through, and the server this page's origin.",
    );
  }
  return explanation(
    "signaling-unreachable",
    "likely",
    "The signaling server does not answer.",
    "Look whether it runs, whether its address is right, and whether this page's content security policy allows it.",
  );
}

/** Whether both have an address of one family. Those behind names are of any. */
const shareFamily = (one: CandidateKinds, other: CandidateKinds) =>
  (one.ipv4 && other.ipv4) || (one.ipv6 && other.ipv6);

/** What is wrong with this page's way to STUN and TURN servers. */
function ofIceServers(servers: readonly IceServerReport[]): Explanation | undefined {
  const turn = servers.filter(isTurn);
  const works = (server: IceServerReport) => server.ms !== undefined;
  if (turn.length > 0 && !turn.some(works)) {
    if (isUnauthorized(servers)) {
      return explanation(
        "turn-auth-failed",
        "certain",
        "The TURN server refuses the credentials.",
        "Give fresh ones; those made with a shared secret need the same secret and a right clock at both places.",
      );
    }
    if (!servers.some(works)) return noUdp(servers);
    return explanation(
      "turn-unreachable",
      "likely",
      "No TURN server answers, though others do.",
      "Look whether it runs, and whether firewalls let its ports through.",
    );
  }
  const byUdp = servers.filter(overUdp);
  return byUdp.length > 0 && !byUdp.some(works) ? noUdp(servers) : undefined;
}

const noUdp = (servers: readonly IceServerReport[]) =>
  explanation(
    "udp-blocked",
    servers.filter(overUdp).length > 1 ? "likely" : "guess",
    "No packet over UDP comes back: this network blocks it, or the STUN server does not run.",
    `Allow UDP, or give a TURN server over TLS at port 443. ${RELAYED}`,
  );

function ofAttempts(
  attempts: readonly AttemptReport[],
  iceServers: readonly IceServerReport[],
  nat: Nat | undefined,
): Explanation {
  const answered = attempts.filter(({ answeredMs }) => answeredMs !== undefined);
  // One that still goes on may know less.
  const ended = answered.filter(({ endedMs }) => endedMs !== undefined);
  const last = ended.at(-1) ?? answered.at(-1) ?? attempts.at(-1);
  if (last === undefined || (last.endedMs === undefined && last.begunAgo < 10_000 && attempts.length === 1)) {
    return explanation("connecting", "certain", "The direct connection is being made.", "Wait some seconds.");
  }
  if (last.connectedMs !== undefined && last.openMs === undefined) {
    return explanation(
      "dtls-failed",
      "likely",
      "Packets reach the other end, but the channels did not open.",
      "Look whether something in between drops large packets: IP fragments, or a small MTU.",
    );
  }
  if (hasNone(last.remote)) {
    return explanation(
      "peer-silent",
      "likely",
      last.answeredMs === undefined
        ? "The peer did not answer: its page sleeps, or has lost the signaling server."
        : "The peer has told no address: its page has no network, or hides all addresses and has no TURN server.",
      "Ask about this page at the other end.",
    );
  }
  return ofIceServers(iceServers) ?? ofAddresses(last, iceServers, nat);
}

/** Why addresses of both ends come to nothing. */
function ofAddresses(
  { local, remote }: AttemptReport,
  [stun]: readonly IceServerReport[],
  nat: Nat | undefined,
): Explanation {
  if (!local.srflx && !local.relay) {
    if (local.hidden && remote.hidden && !local.host) {
      return explanation(
        "mdns-unresolved",
        "likely",
        "Both pages hide their addresses behind names that the other cannot look up.",
        "Give a STUN server, or allow multicast DNS in this network.",
      );
    }
    return explanation(
      "no-stun",
      stun === undefined ? "certain" : "likely",
      "This page does not know its public address.",
      stun === undefined
        ? "Give a STUN server as iceServers, or have the signaling server answer STUN."
        : "Look whether the STUN server answers.",
    );
  }
  if (!remote.relay && !remote.srflx) {
    return explanation(
      "peer-needs-turn",
      "likely",
      "The other end finds neither its public address nor a TURN server, and does not reach this end's.",
      "Ask about this page at the other end; a TURN server over TLS at port 443 reaches most networks.",
    );
  }
  if (local.relay || remote.relay) {
    return explanation(
      "unknown",
      "guess",
      "Addresses of both ends are known, and no packet gets through.",
      "Send this report to whoever runs the application.",
    );
  }
  if (!shareFamily(local, remote)) {
    return explanation(
      "no-common-family",
      "likely",
      "One end has IPv6 alone, and the other one IPv4 alone.",
      `Give a TURN server, which both reach. ${RELAYED}`,
    );
  }
  if (nat === "symmetric") {
    return explanation(
      "symmetric-nat-no-turn",
      "likely",
      "The address translator here is symmetric: it gives a port of its own to each destination, which the other end cannot know.",
      `Give a TURN server. ${RELAYED}`,
    );
  }
  return explanation(
    "nat-no-turn",
    "likely",
    "Both ends are known by their public addresses, but no packet gets through: address translators or firewalls are in between.",
    `Give a TURN server. ${RELAYED}`,
  );
}
