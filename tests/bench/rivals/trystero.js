// Trystero with a server of one's own, over its documented way to bring one: topics that are subscribed to and published.
import { createTopicStrategy } from "@trystero-p2p/core";
import { setting } from "../contenders/contender.ts";
import { offer } from "../pages/bench.ts";

const joinRoom = createTopicStrategy({
  init: () =>
    new Promise((open, failed) => {
      const socket = new WebSocket(`ws://${location.hostname}:${setting("topics")}`);
      socket.addEventListener("open", () => open(socket), { once: true });
      socket.addEventListener("error", failed, { once: true });
    }),
  subscribeTopic: (socket, topic, onMessage) => {
    const hear = ({ data }) => {
      const message = JSON.parse(data);
      if (message.topic === topic) onMessage(message.topic, message.payload);
    };
    socket.addEventListener("message", hear);
    socket.send(JSON.stringify({ type: "subscribe", topic }));
    return () => {
      socket.send(JSON.stringify({ type: "unsubscribe", topic }));
      socket.removeEventListener("message", hear);
    };
  },
  publishTopic: (socket, topic, payload) => socket.send(JSON.stringify({ type: "publish", topic, payload })),
});

class Trystero {
  messageBytes = 1024 * 1024;
  // 100,000 at once keep a page busy for minutes.
  floods = false;
  #room;
  #action;

  async prepare() {}

  async enter({ room: name }, { came, connected, message }) {
    const room = joinRoom({ appId: "bench", rtcConfig: { iceServers: [] } }, name);
    this.#room = room;
    const action = room.makeAction("message");
    this.#action = action;
    const others = new Map();
    const other = (id) => {
      if (!others.has(id)) others.set(id, { send: (data) => action.send(data, { target: id }) });
      return others.get(id);
    };
    action.onMessage = (data, { peerId }) => message(data, other(peerId));
    room.onPeerJoin = (id) => {
      came(other(id));
      connected();
    };
  }

  sendAll(message) {
    void this.#action.send(message);
  }

  leave() {
    void this.#room?.leave();
  }
}

offer(new Trystero());
