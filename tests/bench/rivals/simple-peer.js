// simple-peer as its documentation shows it; signals are carried by the smallest server there can be.
import SimplePeer from "simple-peer/simplepeer.min.js";
import { setting } from "../contenders/contender.ts";
import { offer } from "../pages/bench.ts";

class SimplePeers {
  messageBytes = 64 * 1024;
  floods = true;
  #peers = new Map();
  #socket;

  async prepare() {}

  enter({ room, kind }, events) {
    const socket = new WebSocket(`ws://${location.hostname}:${setting("relay")}`);
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ join: room }));
    return new Promise((entered) => {
      socket.onmessage = ({ data }) => {
        const { peers, from, signal } = JSON.parse(data);
        if (peers !== undefined) {
          for (const peer of peers) this.#connect(peer, true, kind, events);
          entered();
        } else {
          (this.#peers.get(from) ?? this.#connect(from, false, kind, events)).signal(signal);
        }
      };
    });
  }

  #connect(id, initiator, kind, { came, connected, message }) {
    const peer = new SimplePeer({ initiator, config: { iceServers: [] } });
    this.#peers.set(id, peer);
    peer.on("signal", (signal) => this.#socket.send(JSON.stringify({ to: id, signal })));
    const other = {
      send: (data) => {
        if (kind === "objects") return void peer.send(JSON.stringify(data));
        // It keeps what it was given until that is sent.
        if (peer.write(data.slice())) return undefined;
        return new Promise((drained) => peer.once("drain", drained));
      },
    };
    peer.on("data", (data) => message(kind === "bytes" ? data : JSON.parse(data), other));
    peer.on("connect", () => {
      came(other);
      connected();
    });
    return peer;
  }

  leave() {
    for (const peer of this.#peers.values()) peer.destroy();
    this.#socket?.close();
  }
}

offer(new SimplePeers());
