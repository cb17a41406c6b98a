// A STUN and TURN server at a host, with users by a shared secret, and relaying to everybody in this network.
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverBinary } from "../../../scripts/lib/paths.mjs";
import { addressesOf, namesOf, temporaryFolder } from "./network.mjs";

const PORT = 3478;
/** That of https, which is all that some networks let through. */
const TLS_PORT = 443;
/** What credentials are made with, here and in pages. */
export const TURN_SECRET = "not-a-secret-but-long-enough-to-be-one";
/** Longer than members get them for, but no test takes as long. */
const LIFETIME_S = 600;

/** Networks here that a TURN server of ours does not reach by itself: they are for private use or documents. */
const NETWORKS = ["10.77.0.0/16", "2001:db8:77::/48"];

/** Which program it is: by name, what starts it at a host, and what clients are to call themselves. */
const SERVERS = { peerloom: startPeerloom, coturn: startCoturn };
export const TURN_SERVERS = Object.keys(SERVERS);

async function startPeerloom(host, { certificate }) {
  const file = join(temporaryFolder("turn"), "secret");
  writeFileSync(file, TURN_SECRET);
  // One socket for both families, where there are both.
  const any = host.addressV6 === undefined ? host.address : "[::]";
  const { certificateFile, keyFile } = certificate ?? {};
  const tls = certificate
    ? [
        ...["--turn-tls", `${any}:${TLS_PORT}`],
        ...["--turn-tls-certificate", certificateFile, "--turn-tls-key", keyFile],
      ]
    : [];
  const args = [
    ...["--host", host.address, "--port", "8081", "--log-level", "warn"],
    ...["--stun", `${any}:${PORT}`, "--turn", "--turn-relay-address", host.address, ...tls],
    ...["--turn-secret-file", file, ...NETWORKS.flatMap((network) => ["--turn-allow-peers", network])],
    // All pages of a run are one user, at a few addresses.
    ...["--turn-allocations-per-user", "1000", "--turn-allocations-per-address", "1000"],
  ];
  return host.do("serve", { program: serverBinary, args });
}

async function startCoturn(host, { certificate }) {
  const tls = certificate
    ? [
        "--cert",
        certificate.certificateFile,
        "--pkey",
        certificate.keyFile,
        "--tls-listening-port",
        String(TLS_PORT),
      ]
    : ["--no-tls"];
  const addresses = [host.address, host.addressV6].filter(Boolean);
  const args = [
    ...["-n", "--log-file", "stdout", "--no-cli", "--no-dtls", "--pidfile", "/dev/null", ...tls],
    ...addresses.flatMap((address) => ["--listening-ip", address]),
    ...["--listening-port", String(PORT), "--relay-ip", host.address],
    ...["--use-auth-secret", "--static-auth-secret", TURN_SECRET, "--realm", "scenario"],
    ...["--min-port", "50000", "--max-port", "50999", "--userdb", ":memory:", "--verbose"],
  ];
  const program = process.env.TURNSERVER_PATH;
  // Its other listeners are open by then.
  const ready = `UDP listener opened on ?: ${addresses.at(-1)}:(\\d+)\\s`;
  return host.do("serve", { program, args, ready });
}

function account() {
  const username = `${Math.floor(Date.now() / 1_000) + LIFETIME_S}:scenario`;
  return { username, credential: createHmac("sha1", TURN_SECRET).update(username).digest("base64") };
}

/** What clients are told, by how they reach it. Firefox takes TURN over TLS only by a name. */
const TRANSPORTS = {
  udp: ({ address }) => `turn:${address}:${PORT}?transport=udp`,
  tcp: ({ address }) => `turn:${address}:${PORT}?transport=tcp`,
  tls: ({ name }) => `turns:${name}:${TLS_PORT}?transport=tcp`,
};

/**
 * Starts it, by TLS as well where there is a certificate. It ends with its host. Gives `iceServers({ transport, forms })`, what
 * pages are given: STUN, and TURN over `udp`, `tcp` or `tls`, if any. `forms` are those of its addresses that they reach: `v4`,
 * `v6`, `nat64`. And `kill`, after which it is gone without a word.
 */
export async function startTurn(host, { kind = "coturn", certificate } = {}) {
  const { process } = await SERVERS[kind](host, { certificate });
  const [names, addresses] = [namesOf(host), addressesOf(host)];
  const iceServers = ({ transport, forms = ["v4"] }) => {
    // Chromium looks names up as "name.", and such are not in its hosts' file.
    const stun = { urls: forms.map((form) => `stun:${addresses[form]}:${PORT}`) };
    if (transport === undefined) return [stun];
    const urls = forms.map((form) => TRANSPORTS[transport]({ name: names[form], address: addresses[form] }));
    return [stun, { urls, ...account() }];
  };
  const kill = () => host.do("signal", { process, signal: "SIGKILL", ended: true });
  return { iceServers, kill };
}
