import { absolute } from "./doctor.js";
import { PeerloomError } from "./errors.js";
import { type KnownBy, knowPassphrase, recall } from "./identity.js";
import { writeJson } from "./json.js";
import { loadModule } from "./module.js";
import type { Protocol } from "./protocol.js";
import { type IceServerSource, type Room, RoomBase, type TokenSource } from "./room.js";
import type { Json } from "./schema.js";
import { NativeRoom } from "./wasm/peerloom.js";

/** How to join a room. */
export interface JoinOptions<P extends Protocol> {
  /** The room's name, 1 to 128 bytes of UTF-8 without control characters. Whoever gives the same name meets. */
  readonly room: string;
  /**
   * Keeps the room to those who know it: base64url of 16 to 64 bytes, as {@link createRoomSecret} makes it. The server learns
   * neither the room's name nor what its members say of themselves, and cannot make up members: see `room.security`.
   */
  readonly secret?: string;
  /**
   * Keeps the room to those who were given the same passphrase, such as a few words or six digits read out: 6 to 128 bytes of UTF-8.
   * Neither the server nor whoever listens can try passphrases at home; a page tries one at each of the others, which tell wrong
   * ones as `wrong-passphrase`. The server sees the room's name and what its members say of themselves. Not with `secret`.
   */
  readonly passphrase?: string;
  /** The channels, by label; everyone in the room declares the same. */
  readonly protocol?: P;
  /** A small value (at most 2 KiB as JSON) that the others see as `peer.metadata`. */
  readonly metadata?: Json;
  /**
   * STUN and TURN servers for the connections, instead of those that the signaling server names; with an empty array peers meet in
   * one network or on public addresses only. A function is called before joining, and again before connections are made when its last
   * answer is older than ten seconds, so that credentials may be short-lived; let it keep those that are still good. Connections wait
   * for it for two seconds; when it fails later, the last ones stay.
   */
  readonly iceServers?: readonly RTCIceServer[] | IceServerSource;
  /**
   * When messages go through the signaling server, sealed so that it cannot read them: `"first"` (the default) at once,
   * until there is a direct path, and again while that is silent; `"fallback"` only when a direct path fails; `"never"`.
   */
  readonly relay?: "first" | "fallback" | "never";
  /**
   * Whether messages over 16 KiB may go through the server while a direct path is still hoped for. By default they wait
   * for it, and go through the server only when it could not be made.
   */
  readonly relayBulk?: boolean;
  /**
   * Bytes each channel takes from a peer ahead of the reader, and keeps for a peer before `send` waits: 64 KiB to 64 MiB,
   * 1 MiB by default.
   */
  readonly windowBytes?: number;
  /**
   * With `"relay-only"` peers learn no address of this machine: connections go through TURN servers alone (give some in
   * `iceServers`), and messages through the signaling server where there are none.
   */
  readonly privacy?: "relay-only";
  /** Whether peers are reached in private networks too (by default they are). Without it nothing is sent to such addresses. */
  readonly lan?: boolean;
  /** How long a silent peer is waited for before it has left, in milliseconds (65,000 by default, at least 5,000). */
  readonly peerTimeoutMs?: number;
  /**
   * Whether this page comes back under the same id when it is reloaded (by default it does). A duplicate of its tab has
   * an id of its own. With a persistent identity there is no other.
   */
  readonly resume?: boolean;
  /**
   * `"fresh"` (the default) is a new id for each join. `"persistent"` is the one that this browser keeps for the origin and
   * `app`, in every room and tab, until its storage is cleared or {@link forgetIdentity} is called. An id can be in a room once:
   * where another tab comes, the older one's room ends as `replaced`.
   */
  readonly identity?: "fresh" | "persistent";
  /** Keeps applications of one origin apart, for `identity` and `knownBy`: at most 64 characters, none by default. */
  readonly app?: string;
  /**
   * The name that a peer goes by in this application, such as its account's, of at most 128 characters; undefined when it goes by
   * none. The first id that comes under a name is remembered in this browser; when another comes, there is the event
   * `identity-changed`, and `peer.known` says so. Metadata is whatever a peer likes. May be called more than once for a peer.
   */
  readonly knownBy?: KnownBy;
  /**
   * The ids of those to be connected with, or a function that says of an id whether it is one. Nothing is sent to anybody
   * else, whatever the server says: see `room.security`.
   */
  readonly pinned?: readonly string[] | ((id: string) => boolean | Promise<boolean>);
  /**
   * Gives an admission token, where the server asks for one. Called for each join, also when the server was lost and is
   * joined again, and given 10 seconds: nothing is joined meanwhile. A token that is to be good with the key of this page alone
   * needs `publicKey`.
   */
  readonly token?: TokenSource;
  /** How long the first join may take, in milliseconds (10,000 by default). A lost server is joined again for ever. */
  readonly timeoutMs?: number;
  /** Ends joining when it aborts, and leaves the room when it aborts later. */
  readonly signal?: AbortSignal;
}

/** In the order of the core's numbers. */
const RELAY = ["first", "fallback", "never"];

let begun = false;

/** Whether anything was joined in this page. */
export const hasBegun = () => begun;

/**
 * Joins a room at a signaling server, given by its http, https, ws or wss address. Resolves once the server has let us
 * in; connections to the peers follow by themselves, and messages sent meanwhile wait for them.
 *
 * @throws PeerloomError `signaling-unreachable` (also when the server refuses this page's origin), `unauthorized`,
 * `token-failed` (with what `token` threw as its cause), `room-full`,
 * `ice-servers-failed`, `bad-room`, `bad-secret`, `bad-passphrase`, `bad-url`, `bad-protocol`, `metadata-too-long`, `load-failed`, `no-storage`, …; or the signal's reason.
 */
export async function join<P extends Protocol = Record<never, never>>(
  url: string | URL,
  options: JoinOptions<P>,
): Promise<Room<P>> {
  const { room: name, protocol = {} as P, metadata, iceServers, timeoutMs = 10_000, signal } = options;
  const { relay = "first", relayBulk = false, windowBytes, peerTimeoutMs, resume = true, token } = options;
  const { privacy, lan = true, pinned, secret, passphrase } = options;
  const { identity = "fresh", app = "", knownBy } = options;
  const relayOnly = privacy === "relay-only";
  // A slip here would show addresses that are to be hidden.
  if (privacy !== undefined && !relayOnly) throw new TypeError(`privacy is "relay-only" or not given`);
  const persistent = identity === "persistent";
  // Another id than the one that was meant would help nobody.
  if (!persistent && identity !== "fresh") throw new TypeError(`identity is "fresh" or "persistent"`);
  signal?.throwIfAborted();
  begun = true;
  const metadataText = metadata === undefined ? "" : writeJson(metadata);
  const asked = typeof iceServers === "function" ? iceServers : undefined;
  const room = new RoomBase<P>(
    name,
    protocol,
    metadata,
    token,
    asked,
    pinned,
    secret,
    passphrase !== undefined,
  );
  const channels = Object.entries(protocol).map(([label, definition]) => {
    if (definition.codec === "rpc") return [label, "ordered", "rpc"];
    const { delivery, codec, compress } = definition;
    const how = typeof delivery === "object" ? delivery.lifetimeMs : delivery;
    return [label, how, typeof codec === "object" ? codec.name : codec, compress];
  });
  const recalled = recall(app, persistent, knownBy);
  const known = passphrase === undefined ? undefined : knowPassphrase(passphrase, name);
  const [certificates, memory, words, servers] = await Promise.all([
    makeCertificates(),
    recalled,
    known,
    typeof iceServers === "function" ? askForIceServers(iceServers, timeoutMs) : iceServers,
    loadModule(),
  ]);
  signal?.throwIfAborted();
  const leave = () => void room.leave();
  signal?.addEventListener("abort", leave, { once: true });
  room.on("closed", () => signal?.removeEventListener("abort", leave));
  try {
    await room.start(
      (onEvent, onMessages, onMore) => {
        const iceTransportPolicy = relayOnly ? "relay" : "all";
        const configuration = { iceServers: [...(servers ?? [])], iceTransportPolicy, certificates };
        const where = [
          absolute(url),
          name,
          secret,
          words?.share,
          channels,
          metadataText,
          configuration,
        ] as const;
        const how = [
          timeoutMs,
          token !== undefined,
          resume,
          memory?.secret,
          RELAY.indexOf(relay),
          relayBulk,
          windowBytes,
          peerTimeoutMs,
          relayOnly,
          lan,
          asked === undefined ? Number(servers !== undefined) : 2,
        ] as const;
        return new NativeRoom(...where, ...how, onEvent, onMessages, onMore);
      },
      [memory, words],
      absolute(url),
    );
  } catch (thrown) {
    signal?.removeEventListener("abort", leave);
    signal?.throwIfAborted();
    throw PeerloomError.from(thrown);
  }
  return room as Room<P>;
}

async function askForIceServers(
  source: IceServerSource,
  timeoutMs: number,
): Promise<readonly RTCIceServer[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return [...(await Promise.race([source(), late]))];
  } catch (cause) {
    throw new PeerloomError("ice-servers-failed", "the application gave no STUN and TURN servers", { cause });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * One for all connections of the room, as what is signed names it. Valid for as long as browsers allow: a year. Without WebRTC
 * there is none, and messages go through the server.
 */
async function makeCertificates(): Promise<RTCCertificate[] | undefined> {
  const expires = 31_536_000_000;
  const algorithm = { name: "ECDSA", namedCurve: "P-256", expires };
  try {
    return [await RTCPeerConnection.generateCertificate(algorithm)];
  } catch {
    return undefined;
  }
}
