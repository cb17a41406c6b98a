import type { PeerPath } from "./peer.js";

/**
 * What stands between two pages, or nothing: `direct`, `turn` and `relay` say that messages flow and how. `docs/diagnosis.md` explains
 * each.
 */
export type Finding =
  | "direct"
  | "turn"
  | "alone"
  | "connecting"
  | "offline"
  | "clock-skew"
  | "signaling-unreachable"
  | "websocket-blocked"
  | "no-webrtc"
  | "refused"
  | "peer-silent"
  | "udp-blocked"
  | "turn-auth-failed"
  | "turn-unreachable"
  | "no-stun"
  | "mdns-unresolved"
  | "symmetric-nat-no-turn"
  | "nat-no-turn"
  | "peer-needs-turn"
  | "no-common-family"
  | "dtls-failed"
  | "unknown";

/** How the signaling server was found. */
export interface ServerReport {
  /** Its address. */
  readonly url: string;
  /** Milliseconds until it answered a request by http; undefined when it did not. */
  readonly httpMs?: number;
  /** Milliseconds until a WebSocket was open; undefined when it was not. */
  readonly webSocketMs?: number;
  /** By how much this machine's clock is ahead of the server's, in milliseconds, where the browser tells. */
  readonly clockAheadMs?: number;
}

/** How this page joined its room, the last time that it tried. */
export interface JoiningReport {
  /** Milliseconds ago that it asked for a WebSocket. */
  readonly begunAgo: number;
  /** Milliseconds after that until the WebSocket was open, and until the server had let it in; undefined when that was not. */
  readonly webSocketMs?: number;
  readonly joinedMs?: number;
}

/**
 * What an address translator makes of this page's port (RFC 4787 §4.1). `cone`: the same one for all whom it writes to, as if
 * there were none, which direct paths need. `symmetric`: another one for each.
 */
export type Nat = "cone" | "symmetric";

/** How a STUN or TURN server was found. */
export interface IceServerReport {
  readonly url: string;
  /** Milliseconds until there was a candidate of it; undefined when there was none within 5 s. */
  readonly ms?: number;
  /** What the browser tells of a failure: a STUN error code (RFC 8489 §14.8), or 701 when there was no answer. */
  readonly error?: number;
  /**
   * It is at a loopback address, on this device itself, where Firefox does not ask: so this says nothing of the server or the
   * network.
   */
  readonly unasked?: true;
}

/** Candidates of one end, by kind (RFC 8445 §5.1.1). Never their addresses. */
export interface CandidateKinds {
  readonly host: boolean;
  /** Host candidates hidden behind `.local` names. */
  readonly hidden: boolean;
  readonly srflx: boolean;
  readonly relay: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** One attempt to connect with a peer directly. */
export interface AttemptReport {
  /** By exchanging cards, or by offer and answer. */
  readonly by: "card" | "offer";
  /** Milliseconds ago. */
  readonly begunAgo: number;
  /** Milliseconds after that until each step was done; undefined when it was not. */
  readonly describedMs?: number;
  readonly answeredMs?: number;
  /** ICE had found a way. */
  readonly iceMs?: number;
  /** DTLS was done too. */
  readonly connectedMs?: number;
  /** The channels were open. */
  readonly openMs?: number;
  /** The first bytes of the peer were here. */
  readonly heardMs?: number;
  /** It was given up, or its connection was lost. */
  readonly endedMs?: number;
  readonly local: CandidateKinds;
  readonly remote: CandidateKinds;
}

/** What was found out about a connection, or about this page's network. It holds no addresses of machines. */
export interface Report {
  readonly finding: Finding;
  /** One sentence. */
  readonly cause: string;
  /** One sentence: what to do. */
  readonly remedy: string;
  readonly confidence: "certain" | "likely" | "guess";
  /** How messages go now, where a peer was asked about. */
  readonly path?: PeerPath;
  /** The code of the error that the peer failed with, where it did. */
  readonly error?: string;
  readonly server: ServerReport;
  /** Where there is a room. */
  readonly joining?: JoiningReport;
  readonly iceServers: readonly IceServerReport[];
  /** Whether packets over UDP come back from a STUN or TURN server; undefined where none was asked. */
  readonly udp?: boolean;
  /** The kind of address translator, where two STUN servers answer over IPv4: two ports of the same will do. */
  readonly nat?: Nat;
  /** The last attempts, oldest first. */
  readonly attempts: readonly AttemptReport[];
  /** The browser, as it calls itself. */
  readonly userAgent: string;
}
