// What a page under test offers: the package, a protocol with every delivery, and a record of everything that happens.
// Tests reach it as the first argument of `Peer.run`.
import * as peerloom from "peerloom";
import { channel, join, type PeerloomError, type Room } from "peerloom";
import * as compact from "peerloom/compact";
import * as bare from "./bare.ts";
import * as faults from "./faults.ts";

/** A message that a schema checks. */
export interface Note {
  text: string;
  n: number;
}

const noteSchema: peerloom.StandardSchemaV1<unknown, Note> = {
  "~standard": {
    version: 1,
    vendor: "peerloom-tests",
    validate(value) {
      const { text, n } = (value ?? {}) as Partial<Note>;
      if (typeof text === "string" && typeof n === "number") return { value: { text, n } };
      return { issues: [{ message: "not a note" }] };
    },
  },
};

export const protocol = {
  note: channel(noteSchema),
  json: channel<unknown>(),
  unordered: channel<number>(undefined, { delivery: "unordered" }),
  latest: channel<number>(undefined, { delivery: "latest" }),
  lasting: channel<number>(undefined, { delivery: { lifetimeMs: 30_000 } }),
  brief: channel<number>(undefined, { delivery: { lifetimeMs: 100 } }),
  blob: channel.bytes(),
};

/** What the page in Rust declares (`examples/rust-page`). */
export function rustProtocol() {
  const { bool, f32, f64, i53, list, option, text, u16, u53, variants } = compact;
  const step = variants("kind", {
    move: { x: f64, y: f32, by: option(text), at: i53 },
    mark: { tags: list(text), counts: list(u16), seen: bool, total: u53 },
    stop: {},
  });
  return {
    chat: channel<{ text: string }>(),
    step: channel.of(compact.compact(step)),
    roll: peerloom.rpc<number, number>(),
  };
}

/** The same labels, but this side takes anything for a note: what an older or hostile page may be. */
export const looseProtocol = { ...protocol, note: channel<unknown>() };

export type TestProtocol = typeof protocol;
export type Label = keyof TestProtocol;
const labels = Object.keys(protocol) as Label[];

/** Something the room told, in a form that travels to the test. */
export interface Happening {
  event: "peer" | "identity-changed" | "path" | "undelivered" | "signaling" | "invalid" | "error" | "closed";
  peer?: string | undefined;
  state?: string;
  label?: string;
  code?: string | undefined;
  message?: string | undefined;
  messages?: number;
  /** What `peer.known` was then. */
  known?: string | undefined;
  /** The id that was known before. */
  before?: string;
}

export interface Joining {
  room: string;
  /** Another server than the one this page is from. */
  url?: string;
  metadata?: peerloom.Json;
  loose?: boolean;
  relay?: "first" | "fallback" | "never";
  relayBulk?: boolean;
  windowBytes?: number;
  peerTimeoutMs?: number;
  privacy?: "relay-only";
  lan?: boolean;
  secret?: string;
  passphrase?: string;
  pinned?: readonly string[] | ((id: string) => boolean | Promise<boolean>);
  resume?: boolean;
  identity?: "fresh" | "persistent";
  app?: string;
  knownBy?: (peer: { id: string; metadata: peerloom.Json | undefined }) => string | undefined;
  signal?: AbortSignal;
  /** Keeps no record of messages: the test listens by itself. */
  unheard?: boolean;
}

const never = () => {
  throw new Error("this page has not joined a room");
};

/** The room joined last, and what was heard in it. */
export const state = {
  get room(): Room<TestProtocol> {
    return never();
  },
  received: {} as { [L in Label]: { from: string; data: unknown }[] },
  happenings: [] as Happening[],
};

/** Joins, keeps a record of everything, and gives the page's id. */
export async function joinRoom({
  url = location.origin,
  loose = false,
  unheard = false,
  ...options
}: Joining) {
  const spoken = loose ? (looseProtocol as unknown as TestProtocol) : protocol;
  const room = await join(url, { protocol: spoken, ...options });
  Object.defineProperty(state, "room", { value: room, configurable: true });
  state.happenings = [];
  const happened = (happening: Happening, error?: PeerloomError) =>
    void state.happenings.push({ ...happening, code: error?.code, message: error?.message });
  room.on("identity-changed", ({ peer, name, known }) =>
    happened({ event: "identity-changed", peer: peer.id, label: name, before: known.id }),
  );
  room.on("peer", ({ peer, state }) => happened({ event: "peer", peer: peer.id, state, known: peer.known }));
  room.on("path", ({ peer, path }) => happened({ event: "path", peer: peer.id, state: path }));
  room.on("undelivered", ({ peer, label, messages }) =>
    happened({ event: "undelivered", peer: peer.id, label, messages }),
  );
  room.on("signaling", ({ state }) => happened({ event: "signaling", state }));
  room.on("invalid", ({ from, label, error }) => happened({ event: "invalid", peer: from.id, label }, error));
  room.on("error", ({ error, peer }) => happened({ event: "error", peer: peer?.id }, error));
  room.on("closed", ({ error }) => happened({ event: "closed" }, error));
  for (const label of labels) {
    const messages: { from: string; data: unknown }[] = [];
    state.received[label] = messages;
    if (!unheard) room.channel(label).on(({ from, data }) => void messages.push({ from: from.id, data }));
  }
  return room.self.id;
}

/** What was heard on the one channel of {@link joinThings}. */
export const things = {
  get room(): Room<{ things: peerloom.ChannelDefinition<unknown> }> {
    return never();
  },
  heard: [] as unknown[],
  invalid: [] as string[],
  errors: [] as string[],
};

/** Joins a room that has nothing but one channel, declared by the test. */
export async function joinThings<T>(name: string, declared: peerloom.ChannelDefinition<T>) {
  const protocol = { things: declared as peerloom.ChannelDefinition<unknown> };
  const room = await join(location.origin, { room: name, protocol });
  Object.defineProperty(things, "room", { value: room, configurable: true });
  room.things.on(({ data }) => void things.heard.push(data));
  room.on("invalid", ({ error }) => void things.invalid.push(error.code));
  room.on("error", ({ error }) => void things.errors.push(error.code));
}

/** Why a promise was rejected, in a form that travels to the test; null when it was not. */
export async function failure(promise: Promise<unknown>) {
  try {
    await promise;
    return null;
  } catch (error) {
    const { name, code, message } = error as PeerloomError;
    return {
      name,
      code: code as string | undefined,
      message,
      isPeerloomError: error instanceof peerloom.PeerloomError,
    };
  }
}

/** Bytes that anyone makes again from the seed: the generator is xorshift32. */
export function randomBytes(seed: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let word = seed | 1;
  for (let at = 0; at < words.length; at += 1) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    words[at] = word;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** SHA-256 in hexadecimal. */
export async function digest(bytes: Uint8Array): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export { faults, peerloom };

const harness = {
  peerloom,
  compact,
  rustProtocol,
  protocol,
  state,
  joinRoom,
  things,
  joinThings,
  failure,
  randomBytes,
  digest,
  bare,
  faults,
  /** A place for tests to keep things between calls. */
  kept: {} as Record<string, unknown>,
};
export type Harness = typeof harness;

Object.assign(globalThis, { harness });
