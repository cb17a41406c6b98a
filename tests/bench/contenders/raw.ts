// RTCPeerConnection as it is usually written: a newcomer is told who is here, makes offers, and both trickle. Two things
// are not usual. The channel is negotiated, since Chromium loses some first messages on the other kind; and no more than so
// much is handed to it (`outstanding` in the address), which is what makes it the fastest there is. With `batch` in the
// address objects go in arrays of about so many characters, the most that can be done for JSON by hand. With `connections`
// bytes go over so many connections side by side, each message over the one that holds least, with a number in front by
// which they are put in order again.
import { offer } from "../pages/bench.ts";
import { type Contender, type Entry, type Events, type Other, setting } from "./contender.ts";

type Signal =
  | { peers: number[] }
  | { from: number; at: number; description: RTCSessionDescriptionInit }
  | { from: number; at: number; candidate: RTCIceCandidateInit };

const OUTSTANDING_BYTES = setting("outstanding", 64 * 1024);
const MESSAGE_BYTES = setting("message", 16 * 1024);
const BATCH_LENGTH = setting("batch");
const CONNECTIONS = setting("connections", 1);
const NUMBER_BYTES = 4;

class Connection implements Other {
  readonly pcs = Array.from({ length: CONNECTIONS }, () => new RTCPeerConnection());
  readonly #channels = this.pcs.map((pc) => pc.createDataChannel("all", { negotiated: true, id: 0 }));
  readonly #kind: Entry["kind"];
  /** With batches: the objects of this task, and texts that wait for room in the channel. */
  #gathered = "";
  readonly #batches: string[] = [];
  /** Over several connections: messages sent, those taken in order, and those that came before their turn. */
  #sent = 0;
  #taken = 0;
  readonly #early = new Map<number, ArrayBuffer>();
  /** Resolves what waits for room in the channel. */
  #drained: (() => void) | undefined;

  constructor(kind: Entry["kind"], { came, connected, message }: Events) {
    this.#kind = kind;
    let unopened = CONNECTIONS;
    for (const channel of this.#channels) {
      channel.binaryType = "arraybuffer";
      channel.bufferedAmountLowThreshold = OUTSTANDING_BYTES / 4;
      channel.onbufferedamountlow = () => this.#drained?.();
      channel.onmessage =
        kind === "bytes"
          ? ({ data }) => this.#inOrder(data as ArrayBuffer, (bytes) => message(bytes, this))
          : ({ data }) => {
              const read = JSON.parse(data as string);
              if (BATCH_LENGTH > 0) for (const one of read as unknown[]) message(one, this);
              else message(read, this);
            };
      channel.onopen = () => {
        unopened -= 1;
        if (unopened > 0) return;
        came(this);
        connected();
      };
    }
    if (BATCH_LENGTH > 0) this.#drained = () => this.#sendBatches();
  }

  #numbered(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (CONNECTIONS === 1) return message;
    const numbered = new Uint8Array(NUMBER_BYTES + message.length);
    new DataView(numbered.buffer).setUint32(0, this.#sent++);
    numbered.set(message, NUMBER_BYTES);
    return numbered;
  }

  #inOrder(data: ArrayBuffer, take: (bytes: Uint8Array) => void): void {
    if (CONNECTIONS === 1) {
      take(new Uint8Array(data));
      return;
    }
    this.#early.set(new DataView(data).getUint32(0), data);
    for (let next = this.#early.get(this.#taken); next; next = this.#early.get(this.#taken)) {
      this.#early.delete(this.#taken++);
      take(new Uint8Array(next, NUMBER_BYTES));
    }
  }

  /** That of the connection which holds least. */
  get #channel(): RTCDataChannel {
    return this.#channels.reduce((least, one) => (one.bufferedAmount < least.bufferedAmount ? one : least));
  }

  send(message: unknown): Promise<unknown> | undefined {
    if (BATCH_LENGTH > 0) {
      if (this.#gathered === "") queueMicrotask(() => this.#closeBatch());
      this.#gathered += `${this.#gathered === "" ? "[" : ","}${JSON.stringify(message)}`;
      if (this.#gathered.length >= BATCH_LENGTH) this.#closeBatch();
      return undefined;
    }
    if (this.#kind === "objects") {
      this.#channel.send(JSON.stringify(message));
      return undefined;
    }
    this.#channel.send(this.#numbered(message as Uint8Array<ArrayBuffer>));
    if (this.#channel.bufferedAmount + MESSAGE_BYTES <= OUTSTANDING_BYTES) return undefined;
    return new Promise<void>((drained) => {
      this.#drained = drained;
    });
  }

  #closeBatch(): void {
    if (this.#gathered !== "") this.#batches.push(`${this.#gathered}]`);
    this.#gathered = "";
    this.#sendBatches();
  }

  #sendBatches(): void {
    while (this.#batches.length > 0 && this.#channel.bufferedAmount + BATCH_LENGTH <= OUTSTANDING_BYTES) {
      this.#channel.send(this.#batches.shift() as string);
    }
  }
}

class Raw implements Contender {
  readonly messageBytes = MESSAGE_BYTES;
  readonly floods = true;
  readonly #connections = new Map<number, Connection>();
  #socket: WebSocket | undefined;

  async prepare(): Promise<void> {}

  enter({ room, kind }: Entry, events: Events): Promise<void> {
    const socket = new WebSocket(`ws://${location.hostname}:${setting("relay")}`);
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ join: room }));
    return new Promise((entered, failed) => {
      socket.onmessage = ({ data }) => {
        const signal = JSON.parse(data as string) as Signal;
        this.#handle(signal, kind, events).then(() => "peers" in signal && entered(), failed);
      };
    });
  }

  async #handle(signal: Signal, kind: Entry["kind"], events: Events): Promise<void> {
    if ("peers" in signal) {
      await Promise.all(
        signal.peers.map(async (peer) => {
          const { pcs } = this.#connect(peer, kind, events);
          for (const [at, pc] of pcs.entries()) {
            await pc.setLocalDescription();
            this.#tell(peer, { at, description: pc.localDescription });
          }
        }),
      );
      return;
    }
    const known = this.#connections.get(signal.from);
    const { pcs } = known ?? this.#connect(signal.from, kind, events);
    const pc = pcs[signal.at] as RTCPeerConnection;
    if ("candidate" in signal) return pc.addIceCandidate(signal.candidate);
    await pc.setRemoteDescription(signal.description);
    if (signal.description.type === "answer") return;
    await pc.setLocalDescription();
    this.#tell(signal.from, { at: signal.at, description: pc.localDescription });
  }

  #connect(peer: number, kind: Entry["kind"], events: Events): Connection {
    const connection = new Connection(kind, events);
    this.#connections.set(peer, connection);
    for (const [at, pc] of connection.pcs.entries()) {
      pc.onicecandidate = ({ candidate }) => {
        if (candidate) this.#tell(peer, { at, candidate: candidate.toJSON() });
      };
    }
    return connection;
  }

  #tell(to: number, what: object): void {
    this.#socket?.send(JSON.stringify({ to, ...what }));
  }

  leave(): void {
    this.#socket?.close();
    for (const { pcs } of this.#connections.values()) for (const pc of pcs) pc.close();
  }
}

offer(new Raw());
