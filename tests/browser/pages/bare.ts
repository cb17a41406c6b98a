// A member that is not of this package: a WebSocket, an RTCPeerConnection and data channels made by hand, which say whatever
// a test wants. The test writes the bytes; here is only what needs a browser.

let certificate: RTCCertificate | undefined;
let socket: WebSocket | undefined;
let pc: RTCPeerConnection | undefined;
let channels: RTCDataChannel[] = [];
/** What the server said and nobody has taken yet. */
let heard: number[][] = [];
/** Of the present connection, by the other end. */
let closedChannels = 0;

const CONTROL = 0;
const [PING, PONG] = [0, 1];

/** Makes the one certificate; gives its fingerprint. */
export async function certify(): Promise<string> {
  certificate = await RTCPeerConnection.generateCertificate({
    name: "ECDSA",
    namedCurve: "P-256",
  } as AlgorithmIdentifier);
  const asked = new RTCPeerConnection({ certificates: [certificate] });
  asked.createDataChannel("any");
  const { sdp = "" } = await asked.createOffer();
  asked.close();
  return (/^a=fingerprint:sha-256 (\S+)/m.exec(sdp)?.[1] ?? "").replaceAll(":", "");
}

/** Opens the WebSocket and says this. */
export async function open(join: number[]): Promise<void> {
  const opened = new WebSocket(`${location.origin.replace("http", "ws")}/ws`, ["peerloom.v1"]);
  opened.binaryType = "arraybuffer";
  opened.addEventListener("message", ({ data }) => heard.push([...new Uint8Array(data)]));
  socket = opened;
  await new Promise((done, failed) => {
    opened.addEventListener("open", done);
    opened.addEventListener("error", failed);
  });
  opened.send(new Uint8Array(join));
}

/** What the server said since it was asked last. */
export function takeHeard(): number[][] {
  const taken = heard;
  heard = [];
  return taken;
}

/** To the server, nearly as fast as they go: the server sends those away for whom more waits than they have read. */
export async function say(frames: number[][]): Promise<void> {
  for (const [n, frame] of frames.entries()) {
    socket?.send(new Uint8Array(frame));
    if (n % 25 === 24) await new Promise((soon) => setTimeout(soon, 10));
  }
}

/** A fresh connection in place of the last, with the channels of this many ids; gives an offer with all candidates in it. */
export async function offer(labels: string[]): Promise<string> {
  if (certificate === undefined) throw new Error("no certificate yet");
  pc?.close();
  closedChannels = 0;
  const made = new RTCPeerConnection({ certificates: [certificate] });
  pc = made;
  channels = labels.map((label, id) => {
    const channel = made.createDataChannel(label, { negotiated: true, id });
    channel.binaryType = "arraybuffer";
    channel.addEventListener("close", () => {
      closedChannels += 1;
    });
    return channel;
  });
  channels[CONTROL]?.addEventListener("message", ({ data }) => answerPings(new Uint8Array(data)));
  await made.setLocalDescription();
  if (made.iceGatheringState !== "complete") {
    await new Promise<void>((done) => {
      made.addEventListener("icegatheringstatechange", () => made.iceGatheringState === "complete" && done());
    });
  }
  return made.localDescription?.sdp ?? "";
}

/** Takes the answer. Resolves when all channels are open. */
export async function accept(answer: string): Promise<void> {
  await pc?.setRemoteDescription({ type: "answer", sdp: answer });
  const opening = channels.filter(({ readyState }) => readyState !== "open");
  await Promise.all(
    opening.map(
      (channel) =>
        new Promise<void>((done, failed) => {
          setTimeout(failed, 15_000, new Error(`channel ${channel.label} did not open`));
          channel.addEventListener("open", () => done());
        }),
    ),
  );
}

/** Whoever answers no pings is given up, and could do no harm. */
function answerPings(frame: Uint8Array): void {
  for (let at = 1; at < frame.length; at += 1 + (frame[at] ?? 0)) {
    const record = frame.subarray(at + 1, at + 1 + (frame[at] ?? 0));
    if (record[0] === PING) send(CONTROL, [[1, record.length, PONG, ...record.subarray(1)]]);
  }
}

/** On a channel, as fast as they are taken. False when the connection has ended meanwhile. */
export function send(id: number, frames: number[][]): boolean {
  const channel = channels[id];
  if (channel?.readyState !== "open") return false;
  try {
    for (const frame of frames) channel.send(new Uint8Array(frame));
  } catch {
    // The buffer is full, or the channel was closed.
    return false;
  }
  return true;
}

/** So many frames: `head(n)`, and this many zeros. Gives how many went before the other end had enough. */
export async function flood(
  id: number,
  count: number,
  zeros: number,
  head: (n: number) => number[],
): Promise<number> {
  const channel = channels[id];
  for (let n = 0; n < count; n += 1) {
    while (channel?.readyState === "open" && channel.bufferedAmount > 1_048_576) {
      await new Promise((soon) => setTimeout(soon, 5));
    }
    if (channel?.readyState !== "open") return n;
    channel.send(new Uint8Array([...head(n), ...new Uint8Array(zeros)]));
  }
  return count;
}

/** Opens channels that nobody declared, and says something on each. */
export function openUndeclared(count: number): void {
  for (let n = 0; n < count; n += 1) {
    const channel = pc?.createDataChannel(`undeclared ${n}`, { ordered: n % 2 === 0 });
    channel?.addEventListener("open", () => {
      for (let times = 0; times < 20; times += 1) channel.send(new Uint8Array(16_384));
    });
  }
}

/** Whether the other end has ended the connection. */
export function isClosed(): boolean {
  return closedChannels > 0 || pc?.connectionState === "failed";
}

export function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}
