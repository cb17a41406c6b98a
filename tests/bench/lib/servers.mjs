// The servers that are measured beside each other, each as a process of its own.
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import { availableParallelism } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { at, serverBinary } from "../../../scripts/lib/paths.mjs";
import { Failure } from "../../../scripts/lib/run.mjs";

/** Where cargo puts examples of Rust. */
export const examples = join(dirname(serverBinary), "examples");

const HOST = "127.0.0.1";
const ENOUGH = "2000000000";
const rivals = at("tests", "bench", "rivals");

/** Whether a program is installed. */
export function inPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

// The generator is one client that says far more than one ever would.
const limits = [
  ["--max-connections", "100000", "--max-connections-per-address", "100000", "--max-room-size", "256"],
  ...["message", "byte", "relay", "relay-room"].map((what) => [
    ...[`--${what}-rate`, ENOUGH],
    ...[`--${what}-burst`, ENOUGH],
  ]),
  // Generated clients answer no pings.
  ["--ping-interval", "3600", "--log-level", "warn"],
].flat();

// Not its program, which prints a line for each client.
const peerServer = (port) =>
  `import { PeerServer } from "peer"; PeerServer({ host: "${HOST}", port: ${port}, concurrent_limit: 100_000 });`;

/** This repository's server, the floor below which none gets, and those of others. */
const contenders = [
  {
    name: "raw relay",
    dialect: "raw",
    command: (port) => [join(examples, "raw_relay"), `${HOST}:${port}`],
  },
  {
    name: "Peerloom",
    dialect: "peerloom",
    command: (port) => [serverBinary, "--host", HOST, "--port", String(port), "--stun", "off", ...limits],
  },
  {
    name: "matchbox_server",
    dialect: "matchbox",
    command: (port) => ["matchbox_server", `${HOST}:${port}`],
    lacks: () => (inPath("matchbox_server") ? undefined : "it is not installed"),
  },
  {
    name: "PeerServer",
    dialect: "peerjs",
    command: (port) => [process.execPath, "--input-type=module", "--eval", peerServer(port)],
    cwd: rivals,
    lacks: () =>
      existsSync(join(rivals, "node_modules", "peer")) ? undefined : "the npm package peer is not installed",
  },
];

/** Those that are installed; `skip` is told of each that is not. */
export function installed(skip) {
  return contenders.filter(({ name, lacks }) => {
    const lack = lacks?.();
    if (lack !== undefined) skip(`${name}: not measured, ${lack}`);
    return lack === undefined;
  });
}

/** Puts a command on one core, where there is more than one. */
export function onCore(core, command, { urgent = false } = {}) {
  const pinned = availableParallelism() > 1 ? ["taskset", "--cpu-list", String(core)] : [];
  // Not real time: the generator waits busily, and Linux stops real-time work that does for 50 ms in each second.
  return [...(urgent ? ["nice", "--adjustment", "-20"] : []), ...pinned, ...command];
}

const freePort = () =>
  new Promise((done, failed) => {
    const server = createServer();
    server.on("error", failed);
    server.listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const isListening = (port) =>
  new Promise((done) => {
    const socket = connect(port, HOST);
    socket.on("connect", () => done(true));
    socket.on("error", () => done(false));
    socket.on("connect", () => socket.destroy());
  });

/** Starts one on the first core; gives its address, the id of its process, and a function that ends it. */
export async function start({ name, command, cwd = at(), env = {}, isChatty = false }, { urgent }) {
  const port = await freePort();
  const [program, ...args] = onCore(0, command(port), { urgent });
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", isChatty ? "ignore" : "inherit"],
  });
  let failure;
  child.on("error", (error) => {
    failure = error.message;
  });
  child.on("exit", (code) => {
    failure ??= `it ended with code ${code}`;
  });
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);
  for (let tries = 0; !(await isListening(port)); tries++) {
    if (failure !== undefined || tries === 200) throw new Failure(`${name}: ${failure ?? "does not listen"}`);
    await new Promise((later) => setTimeout(later, 50));
  }
  const stop = async () => {
    process.removeListener("exit", kill);
    const ended = new Promise((done) => child.once("exit", done));
    if (kill()) await ended;
  };
  // Both `taskset` and `nice` become the program they start, so this is the server's own id.
  return { address: `${HOST}:${port}`, pid: child.pid, stop };
}
