// Things that go wrong, and things one cannot see from outside: done by wrapping what the browser gives the page.
// Nothing is wrapped before a test asks for it.

/** What {@link watchConnections} leaves alone: methods wrapped here are wrapped for connections made before, too. */
const Native = RTCPeerConnection;

/** Offers of others that were applied after {@link watchOffers}. */
let answeredOffers = 0;

type Describe = (this: RTCPeerConnection, description: RTCSessionDescriptionInit) => Promise<void>;

function wrap(side: "Local" | "Remote", around: (original: Describe) => Describe): void {
  const prototype = Native.prototype as unknown as Record<string, Describe>;
  prototype[`set${side}Description`] = around(prototype[`set${side}Description`] as Describe);
}

/** Counts the offers of other pages that this page applies: the plain way, as cards need none. */
export function watchOffers(): void {
  wrap(
    "Remote",
    (original) =>
      async function (description) {
        await original.call(this, description);
        const isHint = !description.sdp?.includes("m=application");
        if (description.type === "offer" && !isHint) answeredOffers += 1;
      },
  );
}

export function answeredAnOffer(): boolean {
  return answeredOffers > 0;
}

let madeBeforeRefusal = 0;

/** Connections made after an answer was refused last, if {@link watchConnections} was called. */
export function madeSinceRefusal(): number {
  return connections.size - madeBeforeRefusal;
}

/** The first `count` answers are refused, as by a browser that finds fault with them. Cards become answers. */
export function refuseAnswers(count: number): void {
  let left = count;
  wrap(
    "Remote",
    (original) =>
      function (description) {
        if (description.type !== "answer" || left === 0) return original.call(this, description);
        left -= 1;
        madeBeforeRefusal = connections.size;
        return Promise.reject(new DOMException("refused by the test", "OperationError"));
      },
  );
}

/** What is written from a card begins so; what is written from an answer has the session number of that answer. */
const FROM_CARD = "v=0\r\no=- 1 1 ";

/** Cards lead to no connection from now on; offers and answers do. */
export function refuseCards(): void {
  wrap(
    "Remote",
    (original) =>
      function (description) {
        if (description.type !== "answer" || !description.sdp?.startsWith(FROM_CARD))
          return original.call(this, description);
        return Promise.reject(new DOMException("refused by the test", "OperationError"));
      },
  );
}

/** No direct path can be made from now on, as on a network without UDP: cards and offers of others are refused. */
export function refuseConnections(): void {
  wrap(
    "Remote",
    (original) =>
      function (description) {
        if (!description.sdp?.includes("m=application")) return original.call(this, description);
        return Promise.reject(new DOMException("refused by the test", "OperationError"));
      },
  );
}

/** After this, making an offer takes `ms` longer. */
export function delayOffers(ms: number): void {
  wrap(
    "Local",
    (original) =>
      async function (description) {
        if (this.signalingState === "stable") await new Promise((resolve) => setTimeout(resolve, ms));
        return original.call(this, description);
      },
  );
}

const connections = new Set<RTCPeerConnection>();

/** Keeps every connection the page makes from now on, for {@link openConnections}. */
export function watchConnections(): void {
  globalThis.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      connections.add(this);
    }
  };
}

export function openConnections(): number {
  return [...connections].filter((connection) => connection.connectionState !== "closed").length;
}

export function madeConnections(): number {
  return connections.size;
}

/** Of all connections that are kept: media, which nobody here asks for. */
export function transceivers(): number {
  return [...connections].reduce((sum, connection) => sum + connection.getTransceivers().length, 0);
}

export function configurations(): RTCConfiguration[] {
  return [...connections].map((connection) => connection.getConfiguration());
}

const channels: RTCDataChannel[] = [];

/** Keeps every data channel the page makes from now on, for {@link sendRaw}. */
export function watchChannels(): void {
  const original = Native.prototype.createDataChannel;
  Native.prototype.createDataChannel = function (this: RTCPeerConnection, ...args) {
    const made = original.apply(this, args);
    channels.push(made);
    return made;
  };
}

function openChannel(label: string): RTCDataChannel {
  const [open, ...more] = channels.filter(
    (channel) => channel.label === label && channel.readyState === "open",
  );
  if (open === undefined || more.length > 0) throw new Error(`not one open channel ${label}`);
  return open;
}

/** Bytes handed to open channels that {@link watchChannels} keeps, and not yet sent. */
export function bufferedBytes(): number {
  return channels.reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0);
}

let memory: WebAssembly.Memory | undefined;

/** Finds out where the package's WebAssembly keeps its bytes, for {@link wasmBytes}. To be called before it is loaded. */
export function watchMemory(): void {
  const { instantiateStreaming } = WebAssembly;
  WebAssembly.instantiateStreaming = async (...args) => {
    const made = await instantiateStreaming(...args);
    memory = Object.values(made.instance.exports).find((one) => one instanceof WebAssembly.Memory);
    return made;
  };
}

export function wasmBytes(): number {
  if (memory === undefined) throw new Error("nobody watches the memory");
  return memory.buffer.byteLength;
}

/** Sends on the open channel of this label behind the package's back, as a page with other code would. */
export function sendRaw(label: string, data: string | number[]): void {
  const channel = openChannel(label);
  if (typeof data === "string") channel.send(data);
  else channel.send(new Uint8Array(data));
}

/** Closes the open channel of this label behind the package's back; the rest of its connection stays. */
export function closeChannel(label: string): void {
  openChannel(label).close();
}

let failed = 0;

/** Counts WebSockets that could not be opened, for {@link failedSockets}. */
export function watchSockets(): void {
  const Original = WebSocket;
  globalThis.WebSocket = class extends Original {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener("error", () => {
        failed += 1;
      });
    }
  };
}

export function failedSockets(): number {
  return failed;
}

/**
 * From now on the page puts a record of a kind that no version has yet behind whatever it says to the server, and to others
 * on the control channel: it is newer than they are.
 */
export function speakNewer(): void {
  // Five bytes: a kind far above all others, and three bytes of whatever that may hold.
  const record = [5, 0x8f, 0x4e, 1, 2, 3];
  const longer = (data: Uint8Array | ArrayBuffer) => new Uint8Array([...new Uint8Array(data), ...record]);
  const toServer = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    toServer.call(this, longer(data as Uint8Array));
  };
  const toPeer = RTCDataChannel.prototype.send as (this: RTCDataChannel, data: Uint8Array) => void;
  RTCDataChannel.prototype.send = function (this: RTCDataChannel, data: unknown) {
    toPeer.call(this, this.label === "peerloom" ? longer(data as Uint8Array) : (data as Uint8Array));
  } as typeof RTCDataChannel.prototype.send;
}
