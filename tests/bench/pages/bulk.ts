// Peerloom as an application uses it for many bytes, or for coming and going.
import { channel, join, load, type Room } from "peerloom";
import { write } from "./content.ts";

const protocol = { bulk: channel.bytes() };

let room: Room<typeof protocol> | undefined;
let memory: WebAssembly.Memory | undefined;
let received = 0;
const channels = new Set<RTCDataChannel>();
const connections = new Set<RTCPeerConnection>();
let made = 0;

/** Joining and leaving that takes longer is told. */
const OVERDUE_MS = 5_000;

/** The one module of this page: where its memory is. */
function watchMemory(): void {
  const { instantiate, instantiateStreaming } = WebAssembly;
  const noted = <T extends WebAssembly.WebAssemblyInstantiatedSource | WebAssembly.Instance>(
    result: T,
  ): T => {
    const { exports } = "instance" in result ? result.instance : result;
    memory = Object.values(exports).find((one) => one instanceof WebAssembly.Memory);
    return result;
  };
  WebAssembly.instantiateStreaming = async (...args) => noted(await instantiateStreaming(...args));
  WebAssembly.instantiate = (async (...args: Parameters<typeof instantiate>) =>
    noted(await instantiate(...args))) as typeof WebAssembly.instantiate;
}

/** Keeps every connection that is not closed, and every channel of those. */
function watchConnections(): void {
  const Native = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      connections.add(this);
      made += 1;
    }
    override createDataChannel(...args: Parameters<RTCPeerConnection["createDataChannel"]>): RTCDataChannel {
      const channel = super.createDataChannel(...args);
      channels.add(channel);
      return channel;
    }
  };
}

const prune = () => {
  for (const one of connections) if (one.connectionState === "closed") connections.delete(one);
  for (const one of channels) if (one.readyState === "closed") channels.delete(one);
};

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

const bulk = {
  prepare(watched: { connections: boolean }): Promise<void> {
    watchMemory();
    if (watched.connections) watchConnections();
    return load();
  },

  /** Enters the room. */
  async enter(name: string): Promise<void> {
    room = await join(location.origin, { room: name, protocol });
  },

  /** Waits for a direct path to somebody. */
  async connected(): Promise<void> {
    while (![...(room?.peers.values() ?? [])].some(({ path }) => path === "direct")) await sleep(10);
  },

  /**
   * Reads messages one by one: for a second as they come, then half as fast. Gives bytes a second of both times.
   */
  async readSlowly(bytes: number): Promise<{ free: number; slow: number }> {
    received = 0;
    let began: number | undefined;
    let slowFrom = { at: 0, received: 0, perMs: 0 };
    for await (const { data } of room?.bulk ?? []) {
      received += data.length;
      if (received >= bytes) break;
      const now = performance.now();
      began ??= now;
      if (now - began < 1_000) continue;
      if (slowFrom.at === 0) slowFrom = { at: now, received, perMs: received / (now - began) / 2 };
      const due = slowFrom.at + (received - slowFrom.received) / slowFrom.perMs;
      // Timers are coarse.
      if (due - now > 4) await sleep(due - now);
    }
    const tookMs = performance.now() - slowFrom.at;
    return { free: slowFrom.perMs * 2_000, slow: ((received - slowFrom.received) / tookMs) * 1_000 };
  },

  /** Sends so much in messages of one size; gives when it began. */
  async send({ bytes, messageBytes }: { bytes: number; messageBytes: number }): Promise<number> {
    const message = new Uint8Array(messageBytes);
    const began = performance.timeOrigin + performance.now();
    for (let sent = 0; sent < bytes; sent += messageBytes) {
      write(message, sent / messageBytes);
      await room?.bulk.send(message);
    }
    return began;
  },

  leave: () => room?.leave(),

  /** Comes and goes so many times. Some leave while they are still connecting. */
  async comeAndGo({ name, times }: { name: string; times: number }): Promise<void> {
    for (let n = 0; n < times; n += 1) {
      const told: string[] = [];
      const overdue = setTimeout(() => console.warn(`join ${n} has come to ${told.join(", ")}`), OVERDUE_MS);
      const entered = await join(location.origin, { room: name, protocol });
      told.push("joined");
      entered.on("error", ({ error }) => told.push(error.code));
      if (n % 4 !== 0) {
        await new Promise<void>((done) => {
          entered.on("path", ({ path }) => {
            told.push(path);
            if (path === "direct") done();
          });
          for (const { path } of entered.peers.values()) {
            told.push(`at first ${path}`);
            if (path === "direct") done();
          }
        });
      }
      told.push("leaving");
      await entered.leave();
      clearTimeout(overdue);
      prune();
    }
  },

  /** What the page holds beside JavaScript's heap. */
  held() {
    prune();
    const buffered = [...channels].reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0);
    return {
      wasmBytes: memory?.buffer.byteLength ?? Number.NaN,
      bufferedBytes: buffered,
      connections: connections.size,
      madeConnections: made,
      received,
    };
  },
};

export type Bulk = typeof bulk;
Object.assign(globalThis, { bulk });
