// PeerJS as its documentation shows it. It has no rooms, so ids are made of the room's name and a number.
import { Peer } from "peerjs";
import { setting } from "../contenders/contender.ts";
import { offer } from "../pages/bench.ts";

/** By itself it hands 8 MiB to the channel, then looks every 50 ms; it is faster when held to this. */
const OUTSTANDING_BYTES = 4 * 1024 * 1024;

class PeerJs {
  messageBytes = 256 * 1024;
  floods = true;
  #peer;

  async prepare() {}

  enter({ room, index, kind }, { came, connected, message }) {
    const name = (at) => `${room.replaceAll(/\W/g, "-")}-${at}`;
    const meet = (connection) => {
      const other = {
        send: (data) => {
          const sent = connection.send(data);
          const channel = connection.dataChannel;
          if (kind === "objects" || channel.bufferedAmount <= OUTSTANDING_BYTES) return sent;
          channel.bufferedAmountLowThreshold = OUTSTANDING_BYTES / 2;
          return new Promise((low) => channel.addEventListener("bufferedamountlow", low, { once: true }));
        },
      };
      connection.on("data", (data) => message(kind === "bytes" ? new Uint8Array(data) : data, other));
      connection.on("open", () => {
        came(other);
        connected();
      });
    };
    const peer = new Peer(name(index), {
      host: location.hostname,
      port: setting("peerserver"),
      config: { iceServers: [] },
    });
    this.#peer = peer;
    peer.on("connection", meet);
    return new Promise((entered, failed) => {
      peer.on("error", failed);
      peer.on("open", () => {
        const serialization = kind === "bytes" ? "raw" : "binary";
        for (let at = 0; at < index; at += 1) {
          meet(peer.connect(name(at), { serialization, reliable: true }));
        }
        entered();
      });
    });
  }

  leave() {
    this.#peer?.destroy();
  }
}

offer(new PeerJs());
