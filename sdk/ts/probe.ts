// Asks the servers that a connection needs, one by one, whether they answer.
import type { IceServerReport, ServerReport } from "./report.js";

/** How long each is waited for. */
const PATIENCE_MS = 5_000;

/**
 * Whether a server is asked over UDP.
 * @internal
 */
export const overUdp = ({ url }: { readonly url: string }) =>
  !/^(turns|stuns):/.test(url) && !url.endsWith("transport=tcp");

/** Milliseconds until a promise is kept; undefined when it is not, or not in time. */
async function timed(work: (signal: AbortSignal) => Promise<unknown>): Promise<number | undefined> {
  const begun = performance.now();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    await work(signal);
    return performance.now() - begun;
  } catch {
    return undefined;
  }
}

/**
 * Asks the signaling server, by http and by a WebSocket that joins nothing.
 * @internal
 */
export async function probeServer(url: string): Promise<ServerReport> {
  const address = new URL(url.replace(/\/$/, "").replace(/(\/ws)?$/, "/ws"));
  const secure = address.protocol === "https:" || address.protocol === "wss:";
  address.protocol = secure ? "https:" : "http:";
  let clockAheadMs: number | undefined;
  const byHttp = timed(async (signal) => {
    const asked = Date.now();
    const response = await fetch(address, { mode: "no-cors", cache: "no-store", signal });
    const date = Date.parse(response.headers.get("date") ?? "");
    // The header has whole seconds.
    if (!Number.isNaN(date)) clockAheadMs = (asked + Date.now()) / 2 - (date + 500);
  });
  const socketAddress = new URL(address);
  socketAddress.protocol = secure ? "wss:" : "ws:";
  const bySocket = timed(
    (signal) =>
      new Promise<void>((opened, failed) => {
        const socket = new WebSocket(socketAddress, "peerloom.v1");
        const end = () => {
          failed();
          socket.close();
        };
        signal.addEventListener("abort", end);
        socket.onerror = end;
        socket.onopen = () => {
          opened();
          socket.close();
        };
      }),
  );
  const [httpMs, webSocketMs] = await Promise.all([byHttp, bySocket]);
  return {
    url,
    ...(httpMs !== undefined && { httpMs }),
    ...(webSocketMs !== undefined && { webSocketMs }),
    ...(clockAheadMs !== undefined && { clockAheadMs }),
  };
}

/**
 * Asks each STUN and TURN server for a candidate, by a connection of its own: browsers differ in what they tell of several.
 * @internal
 */
export function probeIceServers(servers: readonly RTCIceServer[]): Promise<IceServerReport[]> {
  const all = servers.flatMap((server) => [server.urls].flat().map((url) => ({ ...server, urls: url })));
  // As many as a room may name; an application could give any number.
  return Promise.all(all.slice(0, 16).map(probeIceServer));
}

/** What browsers tell instead of an error code of STUN: see `RTCPeerConnectionIceErrorEvent` in the W3C's WebRTC. */
const NO_ANSWER = 701;

const isLoopback = (url: string) => /^\w+:(localhost|127\.[\d.]+|\[::1\])(:\d+)?(\?|$)/.test(url);

/** One server, at one address. */
interface OneServer extends RTCIceServer {
  readonly urls: string;
}

/**
 * Asks one for a candidate.
 * @internal
 */
export async function probeIceServer(server: OneServer): Promise<IceServerReport> {
  const isTurn = server.urls.startsWith("turn");
  const begun = performance.now();
  let error: number | undefined;
  const { candidates, isComplete } = await gather(
    { iceServers: [server], iceTransportPolicy: isTurn ? "relay" : "all" },
    ({ type }) => type === (isTurn ? "relay" : "srflx"),
    // A refusal says more than silence at another address of this machine.
    (code) => {
      if (error === undefined || error === NO_ANSWER) error = code;
    },
  );
  const ms = performance.now() - begun;
  const own = candidates.some(({ type, address }) => type === "host" && !address?.endsWith(".local"));
  // A public address of the machine itself is a candidate already, and not told twice.
  const isFound =
    candidates.some(({ type }) => type !== "host") || (own && isComplete && error === undefined);
  const url = server.urls;
  if (isFound) return { url, ms };
  if (error === undefined) return { url };
  // Firefox says at once that there was no answer where it does not ask; nobody else has waited long enough to say so.
  return { url, error, ...(error === NO_ANSWER && isLoopback(url) && { unasked: true }) };
}

/**
 * Candidates that a connection finds, until it says that there are no more, one is `enough`, or the time is over.
 * @internal
 */
export async function gather(
  configuration: RTCConfiguration,
  enough: (candidate: RTCIceCandidate) => boolean,
  onError?: (code: number) => void,
): Promise<{ candidates: RTCIceCandidate[]; isComplete: boolean }> {
  const candidates: RTCIceCandidate[] = [];
  let pc: RTCPeerConnection | undefined;
  try {
    const made = new RTCPeerConnection(configuration);
    pc = made;
    const complete = new Promise<boolean>((resolve) => {
      setTimeout(resolve, PATIENCE_MS, false);
      made.onicecandidate = ({ candidate }) => {
        // Firefox marks the end with an empty one besides.
        if (candidate === null) return resolve(true);
        if (candidate.candidate === "") return;
        candidates.push(candidate);
        if (enough(candidate)) resolve(false);
      };
      made.onicecandidateerror = ({ errorCode }) => onError?.(errorCode);
    });
    made.createDataChannel("probe");
    await made.setLocalDescription();
    return { isComplete: await complete, candidates };
  } catch {
    // A browser makes no connection with a server whose address it does not take.
    return { isComplete: false, candidates };
  } finally {
    pc?.close();
  }
}
