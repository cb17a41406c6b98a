// Looks at a signaling server from outside, step by step, as a browser would reach it.
import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";
import { isIP } from "node:net";
import { bodyOf, type Certificate, certificateOf, NotOpened, WebSocketClient } from "./socket.js";
import { ask, type IceServer, parse, Refused } from "./stun.js";
import { join, read, type Told } from "./wire.js";

const SUBPROTOCOL = "peerloom.v1";
/** A certificate that ends sooner should have been renewed. */
const SOON_DAYS = 14;
/** Tokens and credentials are good for minutes: clocks further apart break them. */
const SKEW_MS = 30_000;

/** What came of one step. */
export interface Step {
  readonly name: "name" | "TLS" | "server" | "clock" | "WebSocket" | "join" | "STUN" | "TURN";
  readonly result: "ok" | "warning" | "failed";
  /** One sentence, or what was found. */
  readonly found: string;
  /** What to do, where something is wrong. */
  readonly remedy?: string;
}

/** What to look at, and as whom. */
export interface Options {
  readonly url: URL;
  /** The origin of the page that will use it; the server's own by default. */
  readonly origin: string;
  /** A room of its own by default, in which nobody else is. */
  readonly room?: string;
  readonly token?: string;
  readonly timeoutMs: number;
}

const ms = (since: number) => `${Math.round(performance.now() - since)} ms`;
/** What the server has under this name, by its address with or without the WebSocket's. */
const at = (url: URL, name: string) => new URL(`${url.pathname.replace(/\/(ws\/?)?$/, "")}/${name}`, url);
const said = (error: unknown) => (error instanceof Error ? error.message || error.name : String(error));

/** Goes through all steps; gives each as soon as it is known. Steps that need one that failed are not tried. */
export async function* examine(options: Options): AsyncGenerator<Step> {
  const { url } = options;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) === 0) {
    try {
      const found = await lookup(host, { all: true });
      yield {
        name: "name",
        result: "ok",
        found: `${host} is ${found.map(({ address }) => address).join(", ")}`,
      };
    } catch (error) {
      const remedy = "Look whether the name is right, and whether it has an A or AAAA record.";
      yield { name: "name", result: "failed", found: said(error), remedy };
      return;
    }
  }
  let answer: Awaited<ReturnType<typeof health>>;
  const begun = performance.now();
  try {
    answer = await health(url, options.timeoutMs);
  } catch (error) {
    yield ofUnreachable(error, url);
    return;
  }
  if (answer.certificate !== undefined) yield ofCertificate(answer.certificate);
  const { status, body, date } = answer;
  const version = /"version":"([^"]*)"/.exec(body)?.[1];
  if (status === 200 && version !== undefined) {
    yield { name: "server", result: "ok", found: `peerloom-signaling ${version} answers in ${ms(begun)}` };
  } else {
    yield {
      name: "server",
      result: "warning",
      found: `${url.origin} answers with status ${status}, and not as peerloom-signaling does`,
      remedy:
        "Look whether the address is right, and whether the proxy before the server passes /healthz on.",
    };
  }
  if (date !== undefined) yield ofClock(date - Date.now());
  const told = yield* enter(options);
  for (const server of told?.iceServers ?? []) yield await ofIceServer(server, options.timeoutMs);
  if (told !== undefined && (told.iceServers ?? []).length === 0) {
    yield {
      name: "STUN",
      result: "warning",
      found: "the server names no STUN and no TURN server",
      remedy:
        "Start it without --stun off and open UDP port 3478; or give the application's own as iceServers.",
    };
  }
}

/** Opens a WebSocket and goes into a room; gives what the server said. */
async function* enter(options: Options): AsyncGenerator<Step, Told | undefined> {
  const { url, origin, token, timeoutMs } = options;
  const begun = performance.now();
  let socket: WebSocketClient;
  try {
    const address = at(url, "ws");
    socket = await WebSocketClient.open(address, { origin, protocol: SUBPROTOCOL, timeoutMs });
  } catch (error) {
    yield ofClosedDoor(error, origin);
    return undefined;
  }
  yield { name: "WebSocket", result: "ok", found: `opens in ${ms(begun)} for pages of ${origin}` };
  const told: Told = { welcome: false };
  try {
    socket.send(join(options.room ?? `doctor-${randomBytes(8).toString("hex")}`, token));
    // What comes behind the welcome comes at once.
    for (let wait = timeoutMs; told.refused === undefined && told.iceServers === undefined; ) {
      const message = await socket.next(wait);
      if (message === undefined) break;
      read(message, told);
      if (told.welcome) wait = 500;
    }
  } catch (error) {
    yield {
      name: "join",
      result: "failed",
      found: said(error),
      remedy: "Bring server and client to one version.",
    };
    return undefined;
  } finally {
    socket.close();
  }
  if (told.welcome) {
    yield { name: "join", result: "ok", found: "a room can be joined" };
    return told;
  }
  const { code, detail } = told.refused ?? {};
  const closed =
    socket.closed?.code === undefined ? "" : ` (the connection was closed with ${socket.closed.code})`;
  yield {
    name: "join",
    result: "failed",
    found: code === undefined ? `no answer to the join${closed}` : `${code}: ${detail}`,
    remedy:
      code === "unauthorized"
        ? token === undefined
          ? "The server wants a token: give one by --token, and the room that it is for by --room."
          : "Look at the token's room, expiry and key; peerloom-signaling token makes one for trying out."
        : "docs/errors.md says for this code what can be done.",
  };
  return undefined;
}

function health(url: URL, timeout: number) {
  return new Promise<{ status: number; body: string; date?: number; certificate?: Certificate }>(
    (answered, failed) => {
      const address = at(url, "healthz");
      const take = async (response: IncomingMessage) => {
        const certificate = certificateOf(response.socket);
        const date = Date.parse(response.headers.date ?? "");
        answered({
          status: response.statusCode ?? 0,
          body: await bodyOf(response),
          // The header has whole seconds.
          ...(!Number.isNaN(date) && { date: date + 500 }),
          ...(certificate !== undefined && { certificate }),
        });
      };
      const get = address.protocol === "https:" ? httpsGet : httpGet;
      const request = get(address, { timeout, agent: false }, (response) => void take(response));
      request.on("timeout", () => request.destroy(new Error(`no answer within ${timeout} ms`)));
      request.on("error", failed);
    },
  );
}

function ofUnreachable(error: unknown, url: URL): Step {
  const code = String((error as { code?: unknown } | undefined)?.code ?? "");
  if (url.protocol === "https:" && /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code)) {
    const remedy = "Renew the certificate, with all that lead to its authority, for the name in the address.";
    return { name: "TLS", result: "failed", found: said(error), remedy };
  }
  const remedy =
    code === "ECONNREFUSED"
      ? "Start the server, or look at the port in the address."
      : "Look whether the server runs and whether firewalls let this port through.";
  return { name: "server", result: "failed", found: said(error), remedy };
}

function ofCertificate({ protocol, validTo, issuer }: Certificate): Step {
  const days = Math.floor((validTo.getTime() - Date.now()) / 86_400_000);
  const found = `${protocol}, certificate of ${issuer} valid for ${days} more days`;
  if (days >= SOON_DAYS) return { name: "TLS", result: "ok", found };
  return { name: "TLS", result: "warning", found, remedy: "Renew the certificate." };
}

function ofClock(aheadMs: number): Step {
  const seconds = Math.round(aheadMs / 1_000);
  if (Math.abs(aheadMs) < SKEW_MS)
    return { name: "clock", result: "ok", found: "the server's clock agrees with this one" };
  return {
    name: "clock",
    result: "warning",
    found: `the server's clock is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} this one`,
    remedy: "Set both by NTP: tokens and TURN credentials are good for minutes only.",
  };
}

function ofClosedDoor(error: unknown, origin: string): Step {
  if (!(error instanceof NotOpened)) {
    const remedy = "Look whether a proxy before the server ends connections that are upgraded.";
    return { name: "WebSocket", result: "failed", found: said(error), remedy };
  }
  const { status, body } = error;
  const line = body.split("\n", 1)[0] ?? "";
  const found = `status ${status}${line === "" || line.startsWith("<") ? "" : `: ${line}`}`;
  const remedy =
    status === 403
      ? `Start the server with --allow-origin ${origin}, if pages from there are to use it.`
      : "Have the proxy before the server pass WebSockets on: the headers Upgrade and Connection.";
  return { name: "WebSocket", result: "failed", found, remedy };
}

async function ofIceServer(server: IceServer, timeoutMs: number): Promise<Step> {
  const name = parse(server.url)?.kind === "turn" ? "TURN" : "STUN";
  try {
    const asked = await ask(server, timeoutMs);
    const at = asked.mapped === undefined ? "" : `, which sees this machine at ${asked.mapped}`;
    const relay = asked.relayed === undefined ? "" : `, and relays from ${asked.relayed}`;
    return { name, result: "ok", found: `${server.url} answers in ${Math.round(asked.ms)} ms${at}${relay}` };
  } catch (error) {
    return {
      name,
      result: "failed",
      found: `${server.url}: ${said(error)}`,
      remedy: remedyFor(error, server.url),
    };
  }
}

function remedyFor(error: unknown, url: string): string {
  if (error instanceof Refused) {
    return (
      {
        401: "Look whether both servers have the same secret, and clocks that agree.",
        441: "Look whether both servers have the same secret.",
        486: "All relays are in use: allow more, or wait.",
        508: "The server has no ports left to relay from: allow more.",
      }[error.code] ?? "Look into the log of that server."
    );
  }
  const transport = parse(url)?.over === "udp" ? "UDP" : "TCP";
  return `Open ${transport} port ${parse(url)?.port} of that host, here and there, and look whether it runs.`;
}
