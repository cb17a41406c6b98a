// What Trystero's documentation asks of a server: topics that are subscribed to, and texts published under them. Its
// argument is the address to listen on; it prints the port as the real server does.
import { WebSocketServer } from "ws";

const [, , host] = process.argv;
const topics = new Map();

const server = new WebSocketServer({ host, port: 0 }, () =>
  console.log(`listening on http://${host}:${server.address().port}`),
);
server.on("connection", (socket) => {
  socket.on("message", (data) => {
    const { type, topic, payload } = JSON.parse(String(data));
    const subscribers = topics.get(topic) ?? new Set();
    topics.set(topic, subscribers);
    if (type === "subscribe") subscribers.add(socket);
    else if (type === "unsubscribe") subscribers.delete(socket);
    else for (const one of subscribers) if (one !== socket) one.send(JSON.stringify({ topic, payload }));
  });
  socket.on("close", () => {
    for (const subscribers of topics.values()) subscribers.delete(socket);
  });
});
