// RTCPeerConnection as it is usually written: a newcomer is told who is here, makes offers, and both trickle. Two things
// are not usual. The channel is negotiated, since Chromium loses some first messages on the other kind; and no more than so
// much is handed to it (`outstanding` in the address), which is what makes it the fastest there is. With `batch` in the
// address objects go in arrays of about so many characters, the most that can be done for JSON by hand.
import { offer } from "../pages/bench.ts";
import { type Contender, type Entry, type Events, type Other, setting } from "./contender.ts";

type Signal =
  | { peers: number[] }
  | { from: number; description: RTCSessionDescriptionInit }
  | { from: number; candidate: RTCIceCandidateInit };

const OUTSTANDING_BYTES = setting("outstanding", 64 * 1024);
const MESSAGE_BYTES = setting("message", 16 * 1024);
const BATCH_LENGTH = setting("batch");

class Connection implements Other {
  readonly pc = new RTCPeerConnection();
  readonly #channel = this.pc.createDataChannel("all", { negotiated: true, id: 0 });
  readonly #kind: Entry["kind"];
  /** With batches: the objects of this task, and texts that wait for room in the channel. */
  #gathered = "";
  readonly #batches: string[] = [];
  /** Resolves what waits for room in the channel. */
  #drained: (() => void) | undefined;

  constructor(kind: Entry["kind"], { came, connected, message }: Events) {
    this.#kind = kind;
    const channel = this.#channel;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = OUTSTANDING_BYTES / 4;
    channel.onbufferedamountlow = () => this.#drained?.();
    channel.onopen = () => {
      came(this);
      connected();
    };
    channel.onmessage =
      kind === "bytes"
        ? ({ data }) => message(new Uint8Array(data as ArrayBuffer), this)
        : ({ data }) => {
            const read = JSON.parse(data as string);
            if (BATCH_LENGTH > 0) for (const one of read as unknown[]) message(one, this);
            else message(read, this);
          };
    if (BATCH_LENGTH > 0) this.#drained = () => this.#sendBatches();
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
    this.#channel.send(message as Uint8Array<ArrayBuffer>);
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
          const { pc } = this.#connect(peer, kind, events);
          await pc.setLocalDescription();
          this.#tell(peer, { description: pc.localDescription });
        }),
      );
      return;
    }
    const known = this.#connections.get(signal.from);
    if ("candidate" in signal) return known?.pc.addIceCandidate(signal.candidate);
    const { pc } = known ?? this.#connect(signal.from, kind, events);
    await pc.setRemoteDescription(signal.description);
    if (known !== undefined) return;
    await pc.setLocalDescription();
    this.#tell(signal.from, { description: pc.localDescription });
  }

  #connect(peer: number, kind: Entry["kind"], events: Events): Connection {
    const connection = new Connection(kind, events);
    this.#connections.set(peer, connection);
    connection.pc.onicecandidate = ({ candidate }) => {
      if (candidate) this.#tell(peer, { candidate: candidate.toJSON() });
    };
    return connection;
  }

  #tell(to: number, what: object): void {
    this.#socket?.send(JSON.stringify({ to, ...what }));
  }

  leave(): void {
    this.#socket?.close();
    for (const { pc } of this.#connections.values()) pc.close();
  }
}

offer(new Raw());
