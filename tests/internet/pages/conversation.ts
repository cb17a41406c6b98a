// The page of every scenario: it joins a room, sends numbered messages to every peer on channels of every delivery, all
// the time, and keeps account of what comes. Whatever happens is told at once, through the console, so that it is known
// even if this page does not live on. Scenarios reach it as `conversation`.
import { channel, join, load, type Peer, type Room } from "peerloom";
import { Account, type Arrival, type Numbered, type Summary } from "./account.ts";
import * as raw from "./raw.ts";

const protocol = {
  log: channel<Numbered>(),
  any: channel<Numbered>(undefined, { delivery: "unordered" }),
  latest: channel<Numbered>(undefined, { delivery: "latest" }),
  life: channel<Numbered>(undefined, { delivery: { lifetimeMs: 500 } }),
  bulk: channel.bytes(),
};
type Label = Exclude<keyof typeof protocol, "bulk">;
const LABELS: Label[] = ["log", "any", "latest", "life"];
const BULK_BYTES = 16 * 1024;
/** Shorter pauses are not worth an event. */
const GAP_MS = 250;

export interface Joining {
  room: string;
  /** Another server than the one this page is from. */
  url?: string;
  everyMs?: number;
  /** Sends nothing by itself. */
  silent?: boolean;
  /** Gives TURN servers by a function, with credentials made for each call, as an application's server would. */
  turn?: Turn;
  /** What else `join` is given. */
  options?: Record<string, unknown>;
}

export interface Turn {
  urls: string[];
  secret: string;
  lifetimeS: number;
}

/** By peer and label. */
export interface Report {
  id: string;
  sent: Record<string, Record<string, number>>;
  received: Record<string, Record<string, Summary>>;
  /** Messages told to be undelivered; some of them may have come. */
  undelivered: Record<string, Record<string, number>>;
}

async function mint({ urls, secret, lifetimeS }: Turn): Promise<RTCIceServer[]> {
  const bytes = new TextEncoder();
  const expires = Math.floor(Date.now() / 1_000) + lifetimeS;
  const username = `${expires}:scenario`;
  const how = { name: "HMAC", hash: "SHA-1" };
  const key = await crypto.subtle.importKey("raw", bytes.encode(secret), how, false, ["sign"]);
  const signature = await crypto.subtle.sign(how, key, bytes.encode(username));
  const credential = btoa(String.fromCharCode(...new Uint8Array(signature)));
  tell("credentials", { expires: expires * 1_000 });
  return [{ urls, username, credential }];
}

/** All connections that were made. */
const connections: RTCPeerConnection[] = [];
const openConnections = () => connections.filter(({ connectionState }) => connectionState === "connected");

const Native = RTCPeerConnection;
globalThis.RTCPeerConnection = class extends Native {
  constructor(configuration?: RTCConfiguration) {
    super(configuration);
    connections.push(this);
  }
};

/** Tells what happened, with the time. */
function tell(type: string, more: Record<string, unknown> = {}): void {
  console.info(`@event ${JSON.stringify({ at: Date.now(), type, ...more })}`);
}

/** Messages to one peer on one channel, one under way to the queue at a time. */
class Stream {
  handed = 0;
  #busy = false;
  #refused = false;

  /** The peer's object may be another one when it has come back; the numbers go on. */
  async tick(room: Room<typeof protocol>, peer: Peer, label: Label): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    this.handed += 1;
    try {
      await room.channel(label).send({ n: this.handed, at: Date.now() }, { to: peer });
      this.#refused = false;
    } catch (error) {
      this.handed -= 1;
      // Once, however often it is tried again.
      if (!this.#refused) tell("refused", { label, peer: peer.id, message: String(error) });
      this.#refused = true;
    }
    this.#busy = false;
  }
}

let room: Room<typeof protocol> | undefined;
let joining: Joining | undefined;
/** What has come in bulk, and how many of its messages, each of which begins with its number. */
let bulkBytes = 0;
let bulkCount = 0;
let bulkIsInOrder = true;
let timer: ReturnType<typeof setInterval> | undefined;
const streams = new Map<string, Map<Label, Stream>>();
const accounts = new Map<string, Map<Label, Account>>();
const undelivered = new Map<string, Map<Label, number>>();

/** The entry for a peer and a label, made when there is none. */
function entry<T>(map: Map<string, Map<Label, T>>, peer: string, label: Label, make: () => T): T {
  const ofPeer = map.get(peer) ?? new Map<Label, T>();
  map.set(peer, ofPeer);
  const found = ofPeer.get(label) ?? make();
  ofPeer.set(label, found);
  return found;
}

/** Builds of the package that always say the path with the peer's state have no event for it. */
function listenToPaths(entered: object): void {
  type Told = (event: { peer: Peer; path: string }) => void;
  try {
    (entered as { on(event: string, listener: Told): void }).on("path", ({ peer, path }) => {
      tell("path", { peer: peer.id, path });
    });
  } catch {
    // No such event.
  }
}

function listen(entered: Room<typeof protocol>): void {
  entered.on("peer", ({ peer, state, reason }) =>
    tell("peer", { peer: peer.id, state, reason, path: peer.path }),
  );
  listenToPaths(entered);
  entered.on("undelivered", ({ peer, label, messages }) => {
    tell("undelivered", { peer: peer.id, label, messages });
    const before = entry(undelivered, peer.id, label as Label, () => 0);
    undelivered.get(peer.id)?.set(label as Label, before + messages);
  });
  entered.on("signaling", ({ state }) => tell("signaling", { state }));
  entered.on("invalid", ({ from, label, error }) =>
    tell("invalid", { peer: from.id, label, code: error.code }),
  );
  entered.on("error", ({ error, peer }) =>
    tell("error", { peer: peer?.id, code: error.code, message: error.message }),
  );
  entered.on("closed", ({ reason }) => tell("closed", { reason }));
  entered.bulk.on(({ data }) => {
    const number = new DataView(data.buffer, data.byteOffset).getUint32(0);
    bulkIsInOrder &&= number === bulkCount;
    bulkCount += 1;
    bulkBytes += data.length;
  });
  for (const label of LABELS) {
    entered.channel(label).on(({ from, data }) => {
      const account = entry(accounts, from.id, label, () => new Account());
      const first = account.arrivals.length === 0;
      const gapMs = account.enter(data, from.path);
      if (first && label === "log") tell("first message", { peer: from.id, path: from.path });
      if (gapMs > GAP_MS && label === "log") tell("gap", { peer: from.id, ms: gapMs, path: from.path });
    });
  }
}

function talk(everyMs: number): void {
  clearInterval(timer);
  timer = setInterval(() => {
    const entered = room;
    if (entered === undefined) return;
    for (const peer of entered.peers.values()) {
      for (const label of LABELS)
        void entry(streams, peer.id, label, () => new Stream()).tick(entered, peer, label);
    }
  }, everyMs);
}

/** Joins and begins to talk; gives this page's id and how long joining took. */
async function start(how: Joining): Promise<{ id: string; joinedMs: number }> {
  joining = how;
  // Whoever joins again is somebody new, and is written to from the beginning.
  streams.clear();
  accounts.clear();
  undelivered.clear();
  const { room: name, url = location.origin, everyMs = 20, silent = false, turn, options = {} } = how;
  await load();
  const began = performance.now();
  tell("joining");
  const given = turn && { iceServers: () => mint(turn) };
  room = await join(url, { room: name, protocol, ...given, ...options });
  const joinedMs = performance.now() - began;
  tell("joined", { id: room.self.id, ms: Math.round(joinedMs) });
  listen(room);
  if (!silent) talk(everyMs);
  return { id: room.self.id, joinedMs };
}

const conversation = {
  start,
  load,

  /** Sends no more; what was sent may still be under way. */
  stop(): void {
    clearInterval(timer);
  },

  leave: () => room?.leave(),

  report(): Report {
    const each = <T, R>(map: Map<string, Map<Label, T>>, give: (value: T) => R) =>
      Object.fromEntries(
        [...map].map(([peer, labels]) => [
          peer,
          Object.fromEntries([...labels].map(([label, value]) => [label, give(value)])),
        ]),
      );
    return {
      id: room?.self.id ?? "",
      sent: each(streams, ({ handed }) => handed),
      received: each(accounts, (account) => account.summary()),
      undelivered: each(undelivered, (messages) => messages),
    };
  },

  /** Begins to count anew, for a page that comes back under its id and knows nothing of before. */
  forget(peer: string): void {
    for (const map of [streams, accounts, undelivered]) map.delete(peer);
  },

  /** Every message from a peer on the ordered channel, in the order it came. */
  arrivals(peer: string): Arrival[] {
    return accounts.get(peer)?.get("log")?.arrivals ?? [];
  },

  /** Sends as much as goes for so long; gives how many bytes. */
  async sendBulk({ peer, ms }: { peer: string; ms: number }): Promise<number> {
    const chunk = new Uint8Array(BULK_BYTES);
    const end = performance.now() + ms;
    let number = 0;
    for (; performance.now() < end; number += 1) {
      new DataView(chunk.buffer).setUint32(0, number);
      await room?.bulk.send(chunk, { to: peer });
    }
    return number * BULK_BYTES;
  },

  /** Bytes that have come in bulk so far. */
  bulkBytes: () => bulkBytes,
  /** Whether they came in the order sent. */
  bulkIsInOrder: () => bulkIsInOrder,

  /** How many connections are open. */
  openConnections: () => openConnections().length,
  /** Closes the one of them that was made last, behind Peerloom's back. */
  closeLastConnection: () => openConnections().pop()?.close(),

  raw,

  /** The kinds of candidates that the connection to a peer goes by at both ends, if it has one: `srflx relay`. */
  async candidates(peer: string): Promise<string> {
    const { localCandidateType, remoteCandidateType } = (await room?.peers.get(peer)?.stats()) ?? {};
    return [localCandidateType, remoteCandidateType].filter(Boolean).join(" ");
  },

  /** The addresses of those of them that are a TURN server's. */
  async relays(peer: string): Promise<string[]> {
    const report = await room?.peers.get(peer)?.connection?.getStats();
    const all = [...((report as unknown as Map<string, Record<string, unknown>>)?.values() ?? [])];
    const [selected] = all.filter(({ type }) => type === "transport");
    const pair = all.find(
      ({ id, type, selected: is }) =>
        id === selected?.selectedCandidatePairId || (type === "candidate-pair" && is === true),
    );
    return all
      .filter(({ id }) => id === pair?.localCandidateId || id === pair?.remoteCandidateId)
      .filter(({ candidateType }) => candidateType === "relay")
      .map(({ address }) => String(address));
  },

  /** Every pair of candidates that the browser has tried for a peer, one line each: for looking into why it has chosen one. */
  async pairs(peer: string): Promise<string[]> {
    const report = await room?.peers.get(peer)?.connection?.getStats();
    const all = [...((report as unknown as Map<string, Record<string, unknown>>)?.values() ?? [])];
    const named = (id: unknown) => {
      const found = all.find((one) => one.id === id);
      return `${found?.candidateType} ${found?.address}:${found?.port}`;
    };
    return all
      .filter(({ type }) => type === "candidate-pair")
      .map((pair) => {
        const counts = [
          "requestsSent",
          "responsesReceived",
          "requestsReceived",
          "responsesSent",
          "bytesSent",
        ];
        const told = counts.map((name) => `${name}=${pair[name]}`).join(" ");
        const ends = `${named(pair.localCandidateId)} - ${named(pair.remoteCandidateId)}`;
        return `${ends} ${pair.state}${pair.nominated ? " nominated" : ""} priority=${pair.priority} ${told}`;
      });
  },

  /** Why there is no better path to a peer. */
  async diagnose(peer: string) {
    return room?.diagnose(room.peers.get(peer));
  },

  paths(): Record<string, string> {
    return Object.fromEntries([...(room?.peers ?? [])].map(([id, peer]) => [id, peer.path]));
  },
};

// A page that comes back as it was left: its room is over, and it joins again as an application would.
addEventListener("pageshow", ({ persisted }) => {
  // Chromium says why it has not kept a page.
  const [navigation] = performance.getEntriesByType("navigation") as { notRestoredReasons?: unknown }[];
  tell("shown", {
    persisted,
    reasons: persisted ? undefined : JSON.stringify(navigation?.notRestoredReasons ?? undefined),
  });
  if (persisted && joining !== undefined && room?.signaling === "closed") void start(joining);
});
addEventListener("pagehide", ({ persisted }) => tell("hidden", { persisted }));

export type Conversation = typeof conversation;
Object.assign(globalThis, { conversation });
