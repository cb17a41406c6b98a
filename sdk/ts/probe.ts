// Asks the servers that a connection needs, one by one, whether they answer.
import type { IceServerReport, ServerReport } from "./report.js";

/** How long each is waited for. */
const PATIENCE_MS = 5_000;

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

async function probeIceServer(server: RTCIceServer & { urls: string }): Promise<IceServerReport> {
  const isTurn = server.urls.startsWith("turn");
  let error: number | undefined;
  const ms = await timed(async (signal) => {
    const pc = new RTCPeerConnection({
      iceServers: [server],
      iceTransportPolicy: isTurn ? "relay" : "all",
    });
    try {
      const found = new Promise<void>((resolve, reject) => {
        signal.addEventListener("abort", reject);
        pc.onicecandidate = ({ candidate }) => {
          if (candidate?.type === (isTurn ? "relay" : "srflx")) resolve();
          if (candidate === null) reject();
        };
        pc.onicecandidateerror = ({ errorCode }) => {
          // A refusal says more than silence at another address of this machine.
          if (error === undefined || error === 701) error = errorCode;
        };
      });
      pc.createDataChannel("probe");
      await pc.setLocalDescription();
      await found;
    } finally {
      pc.close();
    }
  });
  return {
    url: server.urls,
    ...(ms !== undefined && { ms }),
    ...(ms === undefined && error !== undefined && { error }),
  };
}
