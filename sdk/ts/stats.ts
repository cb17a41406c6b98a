import type { SelectedPair } from "./pair.js";
import type { PathUse, PeerPath } from "./peer.js";

/** Counts of one channel with one peer. */
export interface ChannelStats {
  /** Messages wholly sent, those sent again included. */
  readonly messagesSent: number;
  /** Messages handed to the application. */
  readonly messagesReceived: number;
  /** Messages sent again because a path ended or fell silent. */
  readonly messagesResent: number;
  /** Bytes of frames: messages, what they are packed in, and acknowledgements. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Bytes of messages kept here: not sent yet, or not acknowledged. */
  readonly queuedBytes: number;
  /** Those sent and not acknowledged, each counted with a little more than its bytes. */
  readonly unacknowledgedBytes: number;
  /** What the peer takes beside those before it has read any; undefined on channels that may lose messages. */
  readonly windowBytes?: number;
  /** Bytes that came in and wait for others before them. */
  readonly earlyBytes: number;
}

/** Counts and measures of one peer. What is not known, or what the browser does not tell, is not there. */
export interface PeerStats {
  readonly path: PeerPath;
  /** Round trip of the path in use, in milliseconds. */
  readonly rttMs?: number;
  /** How much round trips vary, in milliseconds: RTTVAR of RFC 6298. */
  readonly jitterMs?: number;
  /** The share of ICE connectivity checks on the direct path (RFC 7675) that had no answer, from 0 to 1. */
  readonly lossRatio?: number;
  /** `host`, `srflx`, `prflx` or `relay` (RFC 8445), of the direct path. */
  readonly localCandidateType?: string;
  readonly remoteCandidateType?: string;
  /** `udp`, `tcp` or `tls`, to the TURN server of this side, where that is used. */
  readonly relayProtocol?: string;
  /** Over all paths, since the peer joined. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Of all declared channels. */
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly messagesResent: number;
  /** Bytes in the browser's buffers. */
  readonly bufferedBytes: number;
  /** By label. */
  readonly channels: Readonly<Record<string, ChannelStats>>;
  /** Streams and calls. */
  readonly exchange: ChannelStats;
  /** The last paths, oldest first; the last of them is in use. */
  readonly paths: readonly PathUse[];
}

/** How many numbers the core gives for each channel, and before them. */
const EACH = 9;
const FIRST = 5;

/**
 * From the numbers of the core, and what the browser tells.
 * @internal
 */
export function readStats(
  counts: ArrayLike<number>,
  labels: readonly string[],
  paths: readonly PathUse[],
  selected: SelectedPair,
): PeerStats {
  const numbers = Array.from(counts);
  const [bytesSent = 0, bytesReceived = 0, bufferedBytes = 0, rttMs = -1, jitterMs = -1] = numbers;
  const channel = (at: number) => readChannel(numbers.slice(FIRST + at * EACH, FIRST + (at + 1) * EACH));
  const channels = Object.fromEntries(labels.map((label, at) => [label, channel(at)]));
  const sum = (count: (of: ChannelStats) => number) =>
    Object.values(channels).reduce((sum, of) => sum + count(of), 0);
  return {
    path: paths.at(-1)?.path ?? "connecting",
    ...(rttMs >= 0 && { rttMs }),
    ...(jitterMs >= 0 && { jitterMs }),
    bytesSent,
    bytesReceived,
    messagesSent: sum(({ messagesSent }) => messagesSent),
    messagesReceived: sum(({ messagesReceived }) => messagesReceived),
    messagesResent: sum(({ messagesResent }) => messagesResent),
    bufferedBytes,
    channels,
    exchange: channel(labels.length),
    paths,
    ...readPair(selected),
  };
}

type Measured = Pick<
  PeerStats,
  "rttMs" | "lossRatio" | "localCandidateType" | "remoteCandidateType" | "relayProtocol"
>;

function readPair({ pair, local, remote }: SelectedPair): Measured {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const localCandidateType = text(local?.candidateType);
  const remoteCandidateType = text(remote?.candidateType);
  const relayProtocol = text(local?.relayProtocol);
  const seconds = pair?.currentRoundTripTime;
  const [asked = 0, answered = 0] = [pair?.requestsSent, pair?.responsesReceived] as (number | undefined)[];
  return {
    ...(typeof seconds === "number" && { rttMs: seconds * 1000 }),
    ...(localCandidateType && { localCandidateType }),
    ...(remoteCandidateType && { remoteCandidateType }),
    ...(relayProtocol && { relayProtocol }),
    // The answer to the last one may be under way.
    ...(asked > 0 && { lossRatio: Math.max(0, asked - answered - 1) / asked }),
  };
}

function readChannel(numbers: readonly number[]): ChannelStats {
  const [messagesSent = 0, messagesReceived = 0, messagesResent = 0, bytesSent = 0, bytesReceived = 0] =
    numbers;
  const [queuedBytes = 0, unacknowledgedBytes = 0, windowBytes = -1, earlyBytes = 0] = numbers.slice(5);
  return {
    messagesSent,
    messagesReceived,
    messagesResent,
    bytesSent,
    bytesReceived,
    queuedBytes,
    unacknowledgedBytes,
    ...(windowBytes >= 0 && { windowBytes }),
    earlyBytes,
  };
}
