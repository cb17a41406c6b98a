// The smallest PeerJS page that meets somebody and says hello.
import { Peer } from "peerjs";

const peer = new Peer("a", { host: location.hostname });
peer.on("connection", (connection) => connection.on("data", console.log));
peer.on("open", () => {
  const connection = peer.connect("b");
  connection.on("open", () => connection.send("hello"));
});
