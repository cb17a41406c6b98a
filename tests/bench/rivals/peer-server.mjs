// PeerJS's own server. Its argument is the address to listen on; it prints the port as the real server does.
import { PeerServer } from "peer";

const [, , host] = process.argv;
PeerServer({ host, port: 0 }, (server) =>
  console.log(`listening on http://${host}:${server.address().port}`),
);
