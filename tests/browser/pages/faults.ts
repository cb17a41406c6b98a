// Things that go wrong, and things one cannot see from outside: done by wrapping what the browser gives the page.
// Nothing is wrapped before a test asks for it.

/** What {@link watchConnections} leaves alone: methods wrapped here are wrapped for connections made before, too. */
const Native = RTCPeerConnection;

/** Calls made after {@link watchDescriptions}, in order. */
export const descriptions: { side: "local" | "remote"; type: string; isHint: boolean }[] = [];

type Describe = (this: RTCPeerConnection, description: RTCSessionDescriptionInit) => Promise<void>;

function wrap(side: "Local" | "Remote", around: (original: Describe) => Describe): void {
  const prototype = Native.prototype as unknown as Record<string, Describe>;
  prototype[`set${side}Description`] = around(prototype[`set${side}Description`] as Describe);
}

/** Notes which descriptions the page applies. */
export function watchDescriptions(): void {
  for (const side of ["Local", "Remote"] as const) {
    wrap(
      side,
      (original) =>
        async function (description) {
          await original.call(this, description);
          const isHint = !description.sdp?.includes("m=application");
          descriptions.push({ side: side === "Local" ? "local" : "remote", type: description.type, isHint });
        },
    );
  }
}

/** Whether a real offer of another page was applied: the plain way, as cards need none. */
export function answeredAnOffer(): boolean {
  return descriptions.some(({ side, type, isHint }) => side === "remote" && type === "offer" && !isHint);
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
  const prototype = Native.prototype as unknown as {
    createOffer(this: RTCPeerConnection): Promise<RTCSessionDescriptionInit>;
  };
  const original = prototype.createOffer;
  prototype.createOffer = async function () {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return original.call(this);
  };
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
  const open = channels.filter((channel) => channel.label === label && channel.readyState === "open");
  if (open.length !== 1) throw new Error(`${open.length} open channels ${label}`);
  if (typeof data === "string") open[0]?.send(data);
  else open[0]?.send(new Uint8Array(data));
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
