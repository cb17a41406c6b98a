// One RTCDataChannel as good as it gets by hand: negotiated, never more than 64 KiB handed to it, which is what a fresh
// connection takes without stalling. Descriptions are carried by whoever measures.
import { read, write } from "./content.ts";

const MESSAGE_BYTES = 16 * 1024;
const OUTSTANDING_BYTES = 64 * 1024;
const LOW_WATER_BYTES = 16 * 1024;

const connection = new RTCPeerConnection();
const channel = connection.createDataChannel("bulk", { negotiated: true, id: 0 });
channel.binaryType = "arraybuffer";
channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
const opened = new Promise((done) => channel.addEventListener("open", done, { once: true }));

/** This side with all its candidates. */
async function describe(): Promise<RTCSessionDescriptionInit | undefined> {
  await connection.setLocalDescription();
  while (connection.iceGatheringState !== "complete") {
    await new Promise((changed) =>
      connection.addEventListener("icegatheringstatechange", changed, { once: true }),
    );
  }
  return connection.localDescription?.toJSON();
}

const now = () => performance.timeOrigin + performance.now();

const bulk = {
  offer: describe,

  async answer(offer: RTCSessionDescriptionInit): Promise<RTCSessionDescriptionInit | undefined> {
    await connection.setRemoteDescription(offer);
    return describe();
  },

  accept: (answer: RTCSessionDescriptionInit) => connection.setRemoteDescription(answer),

  connected: () => opened.then(() => {}),

  receive(bytes: number): Promise<number> {
    let [received, messages] = [0, 0];
    return new Promise((complete) => {
      channel.onmessage = ({ data }) => {
        read(new Uint8Array(data as ArrayBuffer), messages++);
        received += (data as ArrayBuffer).byteLength;
        if (received >= bytes) complete(now());
      };
    });
  },

  send({ bytes }: { bytes: number }): Promise<number> {
    const message = new Uint8Array(MESSAGE_BYTES);
    const began = now();
    let sent = 0;
    return new Promise((done) => {
      const fill = () => {
        while (sent < bytes && channel.bufferedAmount + MESSAGE_BYTES <= OUTSTANDING_BYTES) {
          write(message, sent / MESSAGE_BYTES);
          channel.send(message);
          sent += MESSAGE_BYTES;
        }
        if (sent >= bytes) done(began);
      };
      channel.onbufferedamountlow = fill;
      fill();
    });
  },
};

Object.assign(globalThis, { bulk });
