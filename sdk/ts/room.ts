import { Channel, type Waiting } from "./channel.js";
import { loadDiagnosis } from "./doctor.js";
import { PeerloomError } from "./errors.js";
import { callSafely, Listeners, type Unsubscribe } from "./events.js";
import { Exchange } from "./exchange.js";
import { type Accepted, witness } from "./identity.js";
import { readMetadata } from "./json.js";
import { selectedPair } from "./pair.js";
import type { Passphrase } from "./passphrase.js";
import { type PathUse, Peer, type PeerPath, type PeerState } from "./peer.js";
import type { ChannelDefinition, MessageOf, Protocol, RpcDefinition } from "./protocol.js";
import type { Memory } from "./remember.js";
import type { Report } from "./report.js";
import type { Rpc } from "./rpc.js";
import type { Json } from "./schema.js";
import { base64url } from "./secret.js";
import { Settled } from "./settled.js";
import type { PeerStream } from "./stream.js";
import type { NativeRoom } from "./wasm/peerloom.js";

/** State of the link to the signaling server. Direct connections go on while it is `reconnecting`. */
export type SignalingState = "connecting" | "connected" | "reconnecting" | "closed";

/** A peer came, can be reached, fell silent for now, spoke again with nothing lost, or left. */
export interface PeerEvent {
  readonly peer: Peer;
  readonly state: "joined" | "connected" | "suspended" | "resumed" | "left";
  /** Why it left: `left` (said goodbye), `lost` (nothing was heard from it any more) or `kicked` (a member sent it away). */
  readonly reason?: string;
}

/** A peer left, or cannot be reached, and did not acknowledge these messages. Some of them may have arrived. */
export interface UndeliveredEvent {
  readonly peer: Peer;
  readonly label: string;
  readonly messages: number;
  readonly bytes: number;
}

/** A peer goes by a name that this browser has met another id under. */
export interface IdentityChangedEvent {
  readonly peer: Peer;
  /** What `knownBy` gave for it. */
  readonly name: string;
  /** The id that is remembered under the name, and since when. */
  readonly known: { readonly id: string; readonly since: Date };
}

/** Messages to a peer go another way from now on. */
export interface PathEvent {
  readonly peer: Peer;
  readonly path: PeerPath;
  /** Round trip of the new path, in milliseconds, if it is known already. */
  readonly rttMs?: number;
  /** The path until now, and what went over it. */
  readonly before: PathUse;
}

/** How a peer is reached now. */
export interface PeerRoute extends PathUse {
  readonly peer: Peer;
  /** Round trip in milliseconds, once it is measured. */
  readonly rttMs?: number;
}

/** What is known of who the others in a room are. */
export type Security =
  | "open"
  | "pinned"
  | "secret"
  | "pinned and secret"
  | "passphrase"
  | "pinned and passphrase";

/** The events of a room and what comes with them. */
export interface RoomEvents {
  /** A listener added late is told `joined`, and `connected`, once for everyone already here. */
  peer: PeerEvent;
  /**
   * A peer goes by the name of another id, as `knownBy` tells names: it is an impostor, or somebody with a new identity. Told
   * right before it has `joined`, so before anything it sends. {@link RoomBase.trust} remembers the new id; nothing else does. A
   * listener added late is told of everyone already here.
   */
  "identity-changed": IdentityChangedEvent;
  /** Messages to a peer go another way from now on. */
  path: PathEvent;
  undelivered: UndeliveredEvent;
  signaling: { readonly state: SignalingState };
  /** A peer has opened a stream. Without a listener it is refused. */
  stream: PeerStream;
  /** An incoming message was refused; no handler has seen it. */
  invalid: { readonly from: Peer; readonly label: string; readonly error: PeerloomError };
  /**
   * Something failed that no promise tells: no path to a peer, a peer with another protocol. A listener added late is
   * told of everyone here who cannot be reached.
   */
  error: { readonly error: PeerloomError; readonly peer?: Peer };
  /** The room is over. Fires once. The reason is "left" after `leave()`, else the error's code. */
  closed: { readonly reason: string; readonly error?: PeerloomError };
}

/** Bytes over the signaling server and directly to peers, since the room was joined. */
export interface RoomStats {
  readonly serverBytesSent: number;
  readonly serverBytesReceived: number;
  readonly directBytesSent: number;
  readonly directBytesReceived: number;
}

/** A joined room: one channel or method per declared label, and what is below. */
export type Room<P extends Protocol = Protocol> = RoomBase<P> & {
  readonly [K in Exclude<keyof P, keyof RoomBase<P>>]: P[K] extends RpcDefinition<infer Req, infer Res>
    ? Rpc<Req, Res>
    : Channel<MessageOf<P[K]>>;
};

/**
 * What every room has. A label that is a name used here is reached by {@link RoomBase.channel} or {@link RoomBase.rpc}
 * alone.
 */
export class RoomBase<P extends Protocol> implements AsyncDisposable {
  readonly name: string;
  readonly #peers = new Map<string, Peer>();
  /** Why a peer cannot be reached. Whoever was here before us is found out before the application can listen. */
  readonly #unreachable = new Map<Peer, PeerloomError>();
  /** Connections whose choice of candidates is listened to. */
  readonly #watched = new WeakSet<RTCPeerConnection>();
  /** In the order of the core's numbers: sorted by label as bytes of UTF-8. So are the methods. */
  readonly #byIndex: Channel<unknown>[] = [];
  readonly #exchange: Exchange;
  /** Who waits for a peer to be sent away, by its id. */
  readonly #kicks = new Map<string, Settled<void>[]>();
  readonly #waiting: Waiting = { queued: new Map(), confirmed: new Map() };
  readonly #listeners: { readonly [E in keyof RoomEvents]: Listeners<RoomEvents[E]> } = {
    peer: new Listeners(),
    "identity-changed": new Listeners(),
    path: new Listeners(),
    undelivered: new Listeners(),
    signaling: new Listeners(),
    stream: new Listeners(),
    invalid: new Listeners(),
    error: new Listeners(),
    closed: new Listeners(),
  };
  #native: NativeRoom | undefined;
  #self: { readonly id: string; readonly metadata: Json | undefined };
  #signaling: SignalingState = "connecting";
  #stats: RoomStats = {
    serverBytesSent: 0,
    serverBytesReceived: 0,
    directBytesSent: 0,
    directBytesReceived: 0,
  };
  readonly #accepted: Accepted | undefined;
  /** Where this page remembers who it is, or whom it has met. */
  #memory: Memory | undefined;
  readonly #secret: string | undefined;
  readonly #hasPassphrase: boolean;
  #url = "";
  readonly #token: TokenSource | undefined;
  readonly #iceServers: IceServerSource | undefined;
  #keyIs!: (key: string) => void;
  readonly #publicKey = new Promise<string>((resolve) => {
    this.#keyIs = resolve;
  });
  /** Why there was none, last time. */
  #tokenCause: unknown;
  /** Settled when the room is let in, or is not. */
  readonly #joined = new Settled<void>();
  readonly #left = new Settled<void>();

  /** @internal */
  constructor(
    name: string,
    protocol: P,
    metadata: Json | undefined,
    token: TokenSource | undefined,
    iceServers: IceServerSource | undefined,
    accepted: Accepted | undefined,
    secret: string | undefined,
    hasPassphrase: boolean,
  ) {
    this.name = name;
    this.#token = token;
    this.#iceServers = iceServers;
    this.#accepted = accepted;
    this.#secret = secret;
    this.#hasPassphrase = hasPassphrase;
    this.#self = { id: "", metadata };
    const native = () => this.#native;
    this.#exchange = new Exchange(native, (stream) => {
      this.#listeners.stream.emit(stream);
      return this.#listeners.stream.size > 0;
    });
    for (const label of sortedLabels(protocol)) {
      const definition = protocol[label] as P[string];
      let value: Channel<unknown> | Rpc<unknown, unknown>;
      if (definition.codec === "rpc") {
        value = definition.declare(label, this.#exchange);
      } else {
        const refuse = (from: Peer, error: PeerloomError) =>
          this.#listeners.invalid.emit({ from, label, error });
        const declared = definition as ChannelDefinition<unknown>;
        value = new Channel<unknown>(label, this.#byIndex.length, declared, native, this.#waiting, refuse);
        this.#byIndex.push(value);
        this.#exchange.labels.push(label);
      }
      if (!(label in this)) Object.defineProperty(this, label, { value, enumerable: true });
    }
  }

  /** Ourselves. The id stays the same when signaling reconnects. */
  get self(): { readonly id: string; readonly metadata: Json | undefined } {
    return this.#self;
  }

  /**
   * What is known of who the others are. `"open"`: each has the key that its id stands for, whoever that is. `"pinned"`: each
   * is besides one that the application accepts; with all others there are no connections. `"secret"`: each knows the secret of
   * the room. `"passphrase"`: each was given the same one. `"pinned and secret"`, `"pinned and passphrase"`: both.
   */
  get security(): Security {
    const known = this.#hasPassphrase ? "passphrase" : this.#secret === undefined ? undefined : "secret";
    if (this.#accepted === undefined) return known ?? "open";
    return known === undefined ? "pinned" : `pinned and ${known}`;
  }

  /**
   * A link to this room for somebody else: the address (by default that of the page) with the room's name, and its secret if it
   * has one, behind the `#`. That part of an address is not sent to servers. {@link readInvite} reads it.
   */
  invite(address: string | URL = location.href): string {
    const link = new URL(address);
    const parts = this.#secret === undefined ? [this.name] : [this.name, this.#secret];
    link.hash = parts.map(encodeURIComponent).join("&");
    return link.href;
  }

  /** Everyone else in the room, by id. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  get signaling(): SignalingState {
    return this.#signaling;
  }

  /**
   * The channel declared under this label.
   * @throws PeerloomError `no-channel`
   */
  channel<K extends keyof P & string>(label: K): Channel<MessageOf<P[K]>> {
    return this.#declared(this.#byIndex, label) as Channel<MessageOf<P[K]>>;
  }

  /**
   * The method declared under this label.
   * @throws PeerloomError `no-channel`
   */
  rpc<K extends keyof P & string>(
    label: K,
  ): P[K] extends RpcDefinition<infer Req, infer Res> ? Rpc<Req, Res> : never {
    return this.#declared(this.#exchange.calls?.methods ?? [], label) as never;
  }

  #declared<T extends { readonly label: string }>(all: readonly T[], label: string): T {
    const found = all.find((one) => one.label === label);
    if (found === undefined) throw new PeerloomError("no-channel", `no channel "${label}" is declared`);
    return found;
  }

  /** Calls `listener` for every event of this kind. Returns a function that stops it. */
  on<E extends keyof RoomEvents>(event: E, listener: (event: RoomEvents[E]) => void): Unsubscribe {
    const remove = this.#listeners[event].add(listener);
    // What is so now; what comes later reaches the listener by itself.
    const past = this.#past(event) as RoomEvents[E][];
    let listening = true;
    queueMicrotask(() => {
      for (const one of past) if (listening) callSafely(listener, one);
    });
    return () => {
      listening = false;
      remove();
    };
  }

  /** What a listener that comes late must be told. */
  #past(event: keyof RoomEvents): RoomEvents["peer" | "error" | "identity-changed"][] {
    const met = () => [...this.#peers.values()];
    if (event === "identity-changed") return met().flatMap(changeOf);
    if (event === "error") {
      const unreachable = [...this.#unreachable].map(([peer, error]) => ({ error, peer }));
      return [...met().flatMap(forgotten), ...unreachable];
    }
    if (event !== "peer") return [];
    return [...this.#peers.values()].flatMap((peer): PeerEvent[] => {
      const joined: PeerEvent = { peer, state: "joined" };
      if (peer.state === "joined") return [joined];
      const connected: PeerEvent = { peer, state: "connected" };
      return peer.state === "suspended"
        ? [joined, connected, { peer, state: "suspended" }]
        : [joined, connected];
    });
  }

  /**
   * Remembers the peer's id under the name that `knownBy` gave for it, in place of another that was remembered: once its owner
   * has told you, by a way that you trust, that it is theirs.
   *
   * @throws PeerloomError `no-storage`; TypeError for a peer that goes by no name
   */
  async trust(peer: Peer): Promise<void> {
    const { meeting } = peer;
    if (meeting === undefined) throw new TypeError("the peer goes by no name: see knownBy");
    await this.#memory?.trust(peer.id, meeting.name);
    meeting.known = "known";
  }

  /**
   * Has the server send a peer away, and keep it away for ten minutes and a half. It is told the reason, of which 256 bytes
   * arrive; the server reads it too. Needs an admission token with the permission `kick`. Resolves when the peer is gone.
   *
   * @throws PeerloomError `forbidden`, `peer-gone`, `signaling-unreachable` when the server is lost before it has answered,
   * or `closed`
   */
  kick(peer: Peer, reason = ""): Promise<void> {
    const kick = new Settled<void>();
    if (this.#native === undefined) {
      kick.reject(new PeerloomError("closed", "the room is closed"));
    } else {
      this.#kicks.set(peer.id, [...(this.#kicks.get(peer.id) ?? []), kick]);
      this.#native.exchange("kick", peer.id, 0, reason, undefined);
    }
    return kick.promise;
  }

  #kicked(id: string, error: PeerloomError | undefined): void {
    const waiting = this.#kicks.get(id) ?? [];
    this.#kicks.delete(id);
    for (const kick of waiting) kick.settle(undefined, error);
  }

  /** How each peer is reached now. */
  paths(): PeerRoute[] {
    return [...this.#peers.values()].map((peer) => ({ peer, ...peer.route }));
  }

  /** Bytes so far, by the way they went. */
  stats(): RoomStats {
    if (this.#native !== undefined) this.#stats = readTraffic(this.#native);
    return this.#stats;
  }

  /**
   * Finds out how a peer is reached and what stands in the way of something better, or without one how this page reaches the
   * servers: see {@link Report}. Asks every server, which takes up to five seconds.
   *
   * @throws PeerloomError `closed`, `load-failed`
   */
  async diagnose(peer?: Peer): Promise<Report> {
    const native = this.#native;
    if (native === undefined) throw new PeerloomError("closed", "the room is closed");
    return this.#finder(native, peer, peer && this.#unreachable.get(peer))();
  }

  /** Finds out later, from what is known now and what the servers answer then. */
  #finder(native: NativeRoom, peer?: Peer, error?: PeerloomError): () => Promise<Report> {
    const attempts = peer && native.attempts(peer.id);
    const steps = native.attempts();
    const iceServers = native.known_ice_servers() as RTCIceServer[];
    const path = peer?.path;
    return async () => {
      const { diagnose, readAttempts, readJoining } = await loadDiagnosis();
      const known = path && attempts && { path, attempts: readAttempts(attempts), ...(error && { error }) };
      // Those of now: they come behind the welcome, and their credentials expire.
      const servers = (this.#native?.known_ice_servers() as RTCIceServer[] | undefined) ?? iceServers;
      return diagnose(this.#url, servers, readJoining(steps), known);
    };
  }

  /**
   * Leaves once everything sent has arrived, or after five seconds: says goodbye, so that the others see it at once, and
   * closes every connection. Resolves when that is done; calling it again does nothing more. Nothing more can be sent
   * from the first call on. What did not arrive is told by `undelivered`.
   */
  leave(): Promise<void> {
    for (const channel of this.#byIndex) channel.flush();
    this.#native?.leave();
    return this.#left.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  /** @internal */
  start(
    make: (onEvent: OnEvent, onMessages: OnMessages, onMore: OnMore) => NativeRoom,
    [memory, words]: readonly [Memory | undefined, Passphrase | undefined],
    url: string,
  ): Promise<void> {
    this.#url = url;
    this.#memory = memory;
    this.#native = make(
      (kind, peer, detail, error) => this.#event(kind, peer, detail, error),
      (peer, index, buffer, places) => {
        const from = this.#peers.get(peer);
        if (from !== undefined) this.#byIndex[index]?.receive(from, buffer, places);
      },
      (kind, id, number, detail, more) => {
        if (kind === "witness") {
          const bytes = detail as Uint8Array<ArrayBuffer>;
          const message = more as Uint8Array<ArrayBuffer>;
          const done = witness(() => this.#native, id, number, bytes, message, this.#accepted, memory, words);
          // Ours, where no peer is named.
          if (id === "") void done.then((signed) => this.#keyKnown(signed));
          return;
        }
        const peer = this.#peers.get(id);
        if (peer !== undefined) this.#exchange.event(kind, peer, number, detail, more);
      },
    );
    return this.#joined.promise;
  }

  #event(kind: string, id: string, detail: unknown, thrown: unknown): void {
    const peer = this.#peers.get(id);
    const error = thrown === null ? undefined : (PeerloomError.from(thrown) as PeerloomError);
    switch (kind) {
      case "self":
        this.#self = { id, metadata: this.#self.metadata };
        this.#joined.resolve();
        break;
      case "ice":
        void this.#renewIceServers();
        break;
      case "token":
        void this.#giveToken();
        break;
      case "signaling":
        this.#signaling = detail as SignalingState;
        if (detail === "reconnecting") this.#memory?.clear();
        this.#listeners.signaling.emit({ state: this.#signaling });
        break;
      case "joined": {
        const meeting = this.#memory?.take(id, detail as string);
        const joined = new Peer(id, readMetadata(detail as string), this.#exchange, meeting);
        this.#peers.set(id, joined);
        for (const error of forgotten(joined)) this.#listeners.error.emit(error);
        for (const change of changeOf(joined)) this.#listeners["identity-changed"].emit(change);
        this.#listeners.peer.emit({ peer: joined, state: "joined" });
        break;
      }
      case "queued":
        settle(this.#waiting.queued, detail as number, error);
        break;
      case "kicked":
        this.#kicked(id, error);
        break;
      case "confirmed": {
        const [ticket, ...outcomes] = detail as [number, ...string[]];
        settle(this.#waiting.confirmed, ticket, outcomes);
        break;
      }
      case "closed":
        this.#closed(error);
        break;
      default:
        if (peer !== undefined) this.#peerEvent(kind, peer, detail, error);
    }
  }

  #keyKnown(signed: Uint8Array | number | undefined): void {
    if (signed instanceof Uint8Array) this.#keyIs(base64url(signed.subarray(0, 32)));
  }

  async #renewIceServers(): Promise<void> {
    try {
      const servers = await this.#iceServers?.();
      if (servers !== undefined) this.#native?.ice_servers([...servers]);
    } catch {
      // The last ones may still be good, and are all there is.
    }
  }

  async #giveToken(): Promise<void> {
    let token: string | undefined;
    try {
      // Later, as the core asks before there is a handle to answer by.
      const publicKey = this.#publicKey;
      token = await Promise.resolve().then(() => this.#token?.({ publicKey }));
      this.#tokenCause = undefined;
    } catch (cause) {
      this.#tokenCause = cause;
    }
    this.#native?.token(typeof token === "string" ? token : undefined);
  }

  #peerEvent(kind: string, peer: Peer, detail: unknown, error: PeerloomError | undefined): void {
    switch (kind) {
      case "path": {
        const path = detail as PeerPath;
        // That somebody tried to get between is told late too, though messages find another way.
        const attacked = this.#unreachable.get(peer)?.code === "wrong-certificate" && path === "relay";
        if (path !== "connecting" && !attacked) this.#unreachable.delete(peer);
        this.#path(peer, path);
        if (path === "direct") this.#watchPair(peer);
        break;
      }
      case "connected":
      case "suspended":
      case "resumed": {
        const state: PeerState = kind === "suspended" ? kind : "connected";
        peer.update(state, peer.path);
        this.#listeners.peer.emit({ peer, state: kind });
        break;
      }
      case "undelivered": {
        const [index = 0, messages = 0, bytes = 0] = detail as number[];
        const label = this.#byIndex[index]?.label ?? "";
        this.#listeners.undelivered.emit({ peer, label, messages, bytes });
        break;
      }
      case "code": {
        const text = (detail ?? "") as string;
        peer.compared({ digits: text.slice(0, 6), emoji: [...text.slice(6)] }, error);
        break;
      }
      case "left":
        this.#peers.delete(peer.id);
        this.#unreachable.delete(peer);
        peer.update("left", "connecting");
        this.#listeners.peer.emit({ peer, state: "left", reason: detail as string });
        break;
      case "failed":
        if (error === undefined) return;
        if (this.#native) error.diagnose = this.#finder(this.#native, peer, error);
        this.#unreachable.set(peer, error);
        this.#listeners.error.emit({ error, peer });
        break;
      case "violation": {
        const label = this.#byIndex[detail as number]?.label ?? "";
        if (error !== undefined) this.#listeners.invalid.emit({ from: peer, label, error });
      }
    }
  }

  #path(peer: Peer, path: PeerPath): void {
    const { rttMs, ...before } = peer.route;
    peer.update(peer.state, path);
    this.#listeners.path.emit({ peer, path, before, ...(rttMs !== undefined && { rttMs }) });
  }

  /**
   * A direct path may go through a TURN server of either side, and no longer do so once the browser has found a better way, which
   * those with the event tell.
   */
  #watchPair(peer: Peer): void {
    const { connection } = peer;
    if (connection === undefined) return;
    void this.#findTurn(peer, connection);
    const transport = connection.sctp?.transport.iceTransport;
    if (transport === undefined || this.#watched.has(connection)) return;
    this.#watched.add(connection);
    transport.addEventListener("selectedcandidatepairchange", () => void this.#findTurn(peer, connection));
  }

  async #findTurn(peer: Peer, connection: RTCPeerConnection): Promise<void> {
    // Counts that a browser gives are up to a moment old, the pair is not.
    const pair = connection.sctp?.transport.iceTransport.getSelectedCandidatePair?.();
    const ends = pair ? [pair.local.type, pair.remote.type] : await selectedTypes(connection);
    const path = ends.includes("relay") ? "turn" : "direct";
    const before = path === "turn" ? "direct" : "turn";
    if (peer.path === before && peer.connection === connection) this.#path(peer, path);
  }

  #closed(told: PeerloomError | undefined): void {
    const cause = this.#tokenCause;
    const error =
      told?.code === "token-failed" ? new PeerloomError(told.code, told.message, { cause }) : told;
    this.stats();
    const native = this.#native;
    if (native && error) error.diagnose = this.#finder(native);
    this.#native = undefined;
    const peers = [...this.#peers.values()];
    this.#peers.clear();
    this.#unreachable.clear();
    for (const peer of peers) peer.update("left", "connecting");
    for (const channel of this.#byIndex) channel.close();
    const { queued, confirmed } = this.#waiting;
    for (const ticket of queued.keys())
      settle(queued, ticket, new PeerloomError("closed", "the room is closed"));
    for (const ticket of confirmed.keys()) settle(confirmed, ticket, []);
    for (const id of this.#kicks.keys()) this.#kicked(id, new PeerloomError("closed", "the room is closed"));
    this.#joined.reject(error ?? new PeerloomError("closed", "the room was left while joining"));
    this.#left.resolve();
    this.#listeners.closed.emit(error === undefined ? { reason: "left" } : { reason: error.code, error });
    // Not now: this call came out of the very object that is to be freed.
    setTimeout(() => native?.free(), 0);
  }
}

/** What there is to know for an admission token. */
export interface TokenRequest {
  /**
   * The Ed25519 public key of this page in the room, as base64url: the `x` of its JSON Web Key, for the claim `cnf`. It is known a
   * moment after the first join has begun, once the page's connections have a certificate; whoever does not need it does not wait.
   */
  readonly publicKey: Promise<string>;
}

/** Gives STUN and TURN servers, for example with credentials from the application's own server. */
export type IceServerSource = () => readonly RTCIceServer[] | Promise<readonly RTCIceServer[]>;

/** Gives an admission token. */
export type TokenSource = (request: TokenRequest) => string | Promise<string>;
/** @internal */
export type OnEvent = (kind: string, peer: string, detail: unknown, error: unknown) => void;
/** @internal */
export type OnMessages = (peer: string, index: number, buffer: Uint8Array, places: Uint32Array) => void;
/** @internal */
export type OnMore = (kind: string, peer: string, id: number, detail: unknown, more: unknown) => void;

function settle<T>(waiting: Map<number, (value: T) => void>, ticket: number, value: T): void {
  waiting.get(ticket)?.(value);
  waiting.delete(ticket);
}

const utf8 = new TextEncoder();

/** Labels in the order both sides number them: by their bytes of UTF-8, as the core sorts them. */
function sortedLabels(protocol: Protocol): string[] {
  const compare = (a: Uint8Array, b: Uint8Array) => {
    const differs = a.findIndex((byte, at) => byte !== b[at]);
    return differs === -1 ? a.length - b.length : (a[differs] ?? 0) - (b[differs] ?? -1);
  };
  const labels = Object.keys(protocol).map((label) => ({ label, bytes: utf8.encode(label) }));
  return labels.sort((a, b) => compare(a.bytes, b.bytes)).map(({ label }) => label);
}

/** None or one. */
function changeOf(peer: Peer): IdentityChangedEvent[] {
  const { name, known, before } = peer.meeting ?? {};
  return name === undefined || known !== "changed" || before === undefined
    ? []
    : [{ peer, name, known: before }];
}

async function selectedTypes(connection: RTCPeerConnection): Promise<unknown[]> {
  const { local, remote } = await selectedPair(connection);
  return [local?.candidateType, remote?.candidateType];
}

/** That a peer could not be looked up, or will not be remembered. */
function forgotten(peer: Peer): RoomEvents["error"][] {
  const error = peer.meeting?.error;
  return error === undefined ? [] : [{ error, peer }];
}

function readTraffic(native: NativeRoom): RoomStats {
  const [serverBytesSent = 0, serverBytesReceived = 0, directBytesSent = 0, directBytesReceived = 0] =
    native.counts();
  return { serverBytesSent, serverBytesReceived, directBytesSent, directBytesReceived };
}
