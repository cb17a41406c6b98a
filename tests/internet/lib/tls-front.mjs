// Ends TLS in front of the signaling server, as nginx or Caddy does on real ones. Bytes pass as they are: the server sees the
// `Host` header, and is told by `--allow-origin` under which names it is found.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { createServer } from "node:tls";

const [, , certificateFile, keyFile, port, backendHost, backendPort] = process.argv;
const options = {
  cert: readFileSync(certificateFile),
  key: readFileSync(keyFile),
  ALPNProtocols: ["http/1.1"],
  noDelay: true,
};

createServer(options, (socket) => {
  const backend = connect({ host: backendHost, port: Number(backendPort), noDelay: true });
  // One side's end or failure is the other's.
  for (const [one, other] of [
    [socket, backend],
    [backend, socket],
  ]) {
    one.pipe(other);
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
})
  // Clients that do not believe the certificate, or leave amid the handshake.
  .on("tlsClientError", () => {})
  // Of both families.
  .listen(Number(port), "::", () => console.log("ready"));
