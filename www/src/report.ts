/** What a report of Peerloom says, check by check, and as text for somebody who helps. Knows nothing of the page. */
import type { IceServerReport, Nat, Report } from "peerloom";
import { formatSpan } from "./words";

export type CheckState = "ok" | "failed" | "unknown";

/** One thing that was looked at. */
export interface Check {
  /** Which one, for programs. */
  readonly key: string;
  readonly name: string;
  readonly state: CheckState;
  /** In plain words. */
  readonly says: string;
  readonly ms?: number;
}

/** How entering a room went, for who tried that. */
export interface Joining {
  /** The code and message of the error, if it failed. */
  readonly code?: string;
  readonly message?: string;
}

/** Clocks that differ by less do no harm. */
const CLOCK_AGREES_MS = 60_000;

const CONFIDENCE: Record<Report["confidence"], string> = {
  certain: "This is certain.",
  likely: "This is likely, but not certain.",
  guess: "This is a guess.",
};

export function confidenceWords({ confidence }: Pick<Report, "confidence">): string {
  return CONFIDENCE[confidence];
}

/** Every check, in the order in which a connection needs them. */
export function checksOf(report: Report, joining?: Joining): Check[] {
  return [
    ...serverChecks(report),
    joinCheck(report, joining),
    clockCheck(report),
    ...iceChecks(report, joining),
    udpCheck(report),
    natCheck(report),
    {
      key: "browser",
      name: "This browser",
      state: report.finding === "no-webrtc" ? "failed" : "ok",
      says: `${browserName(report.userAgent)} ${report.finding === "no-webrtc" ? "makes no direct connections: WebRTC is switched off." : "makes direct connections."}`,
    },
  ];
}

function serverChecks({ server: { httpMs, webSocketMs } }: Report): Check[] {
  const check = (key: string, name: string, ms: number | undefined, works: string, fails: string): Check =>
    ms === undefined
      ? { key, name, state: "failed", says: fails }
      : { key, name, state: "ok", says: works, ms };
  return [
    check("http", "Server", httpMs, "It answers (http).", "It does not answer (http)."),
    check(
      "websocket",
      "Line to the server",
      webSocketMs,
      "It can be opened and held (WebSocket).",
      httpMs === undefined
        ? "It cannot be opened (WebSocket)."
        : "The server or something before it refuses (WebSocket).",
    ),
  ];
}

function joinCheck({ server, joining: known }: Report, joining: Joining | undefined): Check {
  const [key, name] = ["joining", "Entering a room"];
  if (joining?.code === "unauthorized") {
    return {
      key,
      name,
      state: "unknown",
      says: "This server lets in only who brings a token (unauthorized).",
    };
  }
  if (joining?.code !== undefined) {
    return {
      key,
      name,
      state: "failed",
      says: `${sentence(joining.message ?? "It failed")} (${joining.code}).`,
    };
  }
  const ms = known?.joinedMs;
  if (ms !== undefined) return { key, name, state: "ok", says: "The server lets this page in.", ms };
  if (server.webSocketMs === undefined) {
    return { key, name, state: "unknown", says: "Not tried: the server has to answer first." };
  }
  return { key, name, state: "unknown", says: "Not tried." };
}

function clockCheck({ server: { clockAheadMs, httpMs } }: Report): Check {
  const [key, name] = ["clock", "Clock of this device"];
  if (clockAheadMs === undefined) {
    const says =
      httpMs === undefined
        ? "Not known: the server has to answer first."
        : "Not known: the browser does not tell the server's time.";
    return { key, name, state: "unknown", says };
  }
  const apart = formatSpan(Math.abs(clockAheadMs));
  if (Math.abs(clockAheadMs) <= CLOCK_AGREES_MS) {
    return { key, name, state: "ok", says: `It agrees with the server's, to ${apart}.` };
  }
  return {
    key,
    name,
    state: "failed",
    says: `It is ${apart} ${clockAheadMs > 0 ? "ahead of" : "behind"} the server's.`,
  };
}

const isTurn = ({ url }: IceServerReport) => url.startsWith("turn");

function iceChecks({ iceServers, server }: Report, joining: Joining | undefined): Check[] {
  if (iceServers.length > 0) return iceServers.map(iceCheck);
  const isAsked = server.webSocketMs !== undefined && joining?.code === undefined;
  const says = isAsked
    ? "The server names none: direct paths work inside one network only, or between public addresses."
    : "Not known: the server tells them to who enters a room.";
  return [{ key: "ice", name: "STUN and TURN servers", state: "unknown", says }];
}

function iceCheck(server: IceServerReport): Check {
  const { url, ms, error, unasked } = server;
  const name = `${isTurn(server) ? "TURN" : "STUN"} server`;
  const says = isTurn(server)
    ? "It passes packets on, where no direct path can be made"
    : "It tells this page its public address";
  if (ms !== undefined) return { key: "ice", name, state: "ok", says: `${says}: ${url}`, ms };
  if (unasked) {
    const says = `Not asked: this browser asks no server on the device itself: ${url}`;
    return { key: "ice", name, state: "unknown", says };
  }
  return { key: "ice", name, state: "failed", says: `${iceError(error)}: ${url}` };
}

function iceError(error: number | undefined): string {
  if (error === undefined || error === 701) return "No answer";
  return error === 401 ? "It refuses the credentials (401)" : `It refuses (error ${error})`;
}

function udpCheck({ udp, iceServers }: Report): Check {
  const [key, name] = ["udp", "Packets to the outside (UDP)"];
  if (udp === undefined) {
    const says =
      iceServers.length > 0
        ? "No server was asked over UDP."
        : "Not known: there is no STUN or TURN server to ask.";
    return { key, name, state: "unknown", says };
  }
  return udp
    ? { key, name, state: "ok", says: "They go out, and answers come back." }
    : {
        key,
        name,
        state: "failed",
        says: "No answer comes back: this network blocks them, or those servers do not run.",
      };
}

const NAT: Record<Nat, string> = {
  cone: "There is none, or it keeps one port for all: direct paths can be made (cone).",
  symmetric:
    "It takes another port for each destination, so that many direct paths cannot be made (symmetric).",
};

function natCheck({ nat, iceServers }: Report): Check {
  const [key, name] = ["nat", "Address translator (NAT)"];
  if (nat === undefined) {
    return {
      key,
      name,
      state: "unknown",
      says: "Not known: two STUN servers, or one with two ports, have to tell.",
    };
  }
  // Where a TURN server works, one does without direct paths.
  const isBad =
    nat === "symmetric" && !iceServers.some((server) => isTurn(server) && server.ms !== undefined);
  return { key, name, state: isBad ? "failed" : "ok", says: NAT[nat] };
}

/** Such as "Firefox 140", of what a browser calls itself. */
function browserName(userAgent: string): string {
  const names = [
    [/Firefox\/(\d+)/, "Firefox"],
    [/Edg\/(\d+)/, "Edge"],
    [/Chrome\/(\d+)/, "Chrome or Chromium"],
    [/Version\/(\d+).*Safari/, "Safari"],
  ] as const;
  for (const [pattern, name] of names) {
    const version = pattern.exec(userAgent)?.[1];
    if (version !== undefined) return `${name} ${version}`;
  }
  return "It";
}

const sentence = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1).replace(/\.$/, "");

const WORD: Record<CheckState, string> = { ok: "ok", failed: "FAILED", unknown: "?" };

/** The whole report, first for people and then for programs. */
export function reportText(report: Report, joining?: Joining): string {
  const checks = checksOf(report, joining).map(({ name, state, says, ms }) =>
    [WORD[state].padEnd(7), `${name}:`, says, ...(ms === undefined ? [] : [`(${Math.round(ms)} ms)`])].join(
      " ",
    ),
  );
  const attempts = report.attempts.map(
    ({ by, begunAgo, openMs, endedMs }) =>
      `        begun ${formatSpan(begunAgo)} ago by ${by}, ${openMs === undefined ? "never open" : `open after ${Math.round(openMs)} ms`}${
        endedMs === undefined ? "" : `, over after ${formatSpan(endedMs)}`
      }`,
  );
  return [
    `Peerloom connection report of ${new Date().toISOString()}`,
    "",
    `Finding: ${report.finding} (${report.confidence})`,
    `Cause:   ${report.cause}`,
    `Remedy:  ${report.remedy}`,
    ...(report.path === undefined ? [] : [`Path:    ${report.path}`]),
    ...(report.error === undefined ? [] : [`Error:   ${report.error}`]),
    `Server:  ${report.server.url}`,
    "",
    ...checks,
    ...(attempts.length > 0 ? ["", "Attempts to connect directly, oldest first:", ...attempts] : []),
    "",
    JSON.stringify({ ...report, ...(joining?.code !== undefined && { joinError: joining.code }) }, null, 2),
    "",
  ].join("\n");
}
