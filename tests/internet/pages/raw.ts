// RTCPeerConnection by hand with one reliable channel, for comparison. The scenario carries the descriptions.

const CHUNK_BYTES = 16 * 1024;
const HIGH_WATER_BYTES = 1024 * 1024;

let connection: RTCPeerConnection | undefined;
let bulk: RTCDataChannel | undefined;
let received = 0;

/** Makes the connection and its channel, which both sides have under one number. */
function create(): RTCPeerConnection {
  connection = new RTCPeerConnection();
  bulk = connection.createDataChannel("bulk", { negotiated: true, id: 0 });
  bulk.binaryType = "arraybuffer";
  bulk.bufferedAmountLowThreshold = HIGH_WATER_BYTES / 2;
  bulk.onmessage = ({ data }) => {
    received += (data as ArrayBuffer).byteLength;
  };
  return connection;
}

/** Describes this side, with all its candidates. */
async function describe(made: RTCPeerConnection): Promise<string> {
  await made.setLocalDescription();
  while (made.iceGatheringState !== "complete") {
    await new Promise((changed) => made.addEventListener("icegatheringstatechange", changed, { once: true }));
  }
  return made.localDescription?.sdp ?? "";
}

export const offer = () => describe(create());

export async function answer(sdp: string): Promise<string> {
  const made = create();
  await made.setRemoteDescription({ type: "offer", sdp });
  return describe(made);
}

export const accept = (sdp: string) => connection?.setRemoteDescription({ type: "answer", sdp });

export const isOpen = () => bulk?.readyState === "open";

/** Sends as much as goes for so long. */
export async function sendBulk(ms: number): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  const end = performance.now() + ms;
  while (performance.now() < end && bulk !== undefined) {
    bulk.send(chunk);
    if (bulk.bufferedAmount < HIGH_WATER_BYTES) continue;
    await new Promise((low) => bulk?.addEventListener("bufferedamountlow", low, { once: true }));
  }
}

export const bulkBytes = () => received;

export function close(): void {
  connection?.close();
}
