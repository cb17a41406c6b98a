// The smallest Trystero page that meets somebody and says hello, with a server of one's own.
import { createTopicStrategy } from "@trystero-p2p/core";

const joinRoom = createTopicStrategy({
  init: () =>
    new Promise((open) => {
      const socket = new WebSocket(`wss://${location.host}`);
      socket.onopen = () => open(socket);
    }),
  subscribeTopic: (socket, topic, onMessage) => {
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.topic === topic) onMessage(message.topic, message.payload);
    });
    socket.send(JSON.stringify({ type: "subscribe", topic }));
  },
  publishTopic: (socket, topic, payload) => socket.send(JSON.stringify({ type: "publish", topic, payload })),
});
const room = joinRoom({ appId: "demo" }, "lobby");
const hello = room.makeAction("hello");
hello.onMessage = console.log;
room.onPeerJoin = (target) => hello.send("hello", { target });
