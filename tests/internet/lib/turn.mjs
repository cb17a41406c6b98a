// A STUN and TURN server at a host: coturn, with one user, and relaying to everybody in this network.
const PORT = 3478;
const [USER, PASSWORD] = ["scenario", "not a secret"];

/** Starts it; gives what pages are given as `iceServers`. It ends with its host. */
export async function startTurn(host) {
  const { address } = host;
  const args = [
    ...["-n", "--log-file", "stdout", "--no-cli", "--no-tls", "--no-dtls", "--pidfile", "/dev/null"],
    ...["--listening-ip", address, "--listening-port", String(PORT), "--relay-ip", address],
    ...["--lt-cred-mech", "--realm", "scenario", "--user", `${USER}:${PASSWORD}`],
    ...["--min-port", "50000", "--max-port", "50999", "--userdb", ":memory:", "--verbose"],
  ];
  const program = process.env.TURNSERVER_PATH;
  const ready = `UDP listener opened on ?: ${address}:(\\d+)\\s`;
  await host.do("serve", { program, args, ready });
  const at = `${address}:${PORT}`;
  return [{ urls: [`stun:${at}`] }, { urls: [`turn:${at}`], username: USER, credential: PASSWORD }];
}
