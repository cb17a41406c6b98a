// The smallest simple-peer page that meets somebody and says hello. It leaves the signaling to the application.
import SimplePeer from "simple-peer/simplepeer.min.js";

const socket = new WebSocket(`wss://${location.host}`);
const peer = new SimplePeer({ initiator: location.hash === "#1" });
peer.on("signal", (signal) => socket.send(JSON.stringify(signal)));
socket.onmessage = ({ data }) => peer.signal(JSON.parse(data));
peer.on("connect", () => peer.send("hello"));
peer.on("data", console.log);
