// Hostile clients against the running server, while two honest ones talk: it lives, holds little, ends every connection in a way
// that is written down, and the two lose nothing.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import { serverBinary } from "../../scripts/lib/paths.mjs";
import { attempt } from "../../scripts/lib/run.mjs";
import { sleep } from "./client.mjs";
import { Pair } from "./pair.mjs";

const MIB = 1024 * 1024;
/** What the server may hold more than with the two alone. */
const MOST_GROWTH_BYTES = 20 * MIB;
const MAX_CONNECTIONS = 100;
const LIMITS = [
  ...[
    "--max-connections",
    MAX_CONNECTIONS,
    "--max-connections-per-address",
    MAX_CONNECTIONS,
    "--max-room-size",
    8,
  ],
  ...["--message-burst", 100, "--byte-rate", 131_072, "--byte-burst", 131_072],
  ...["--relay-rate", 32_768, "--relay-burst", 32_768],
  ...["--header-timeout", 1, "--join-timeout", 1, "--ping-interval", 2, "--pong-timeout", 1],
];
/** What it came to, one line each. */
export function tellOfServer({ seed, connections, messages, honest, growthBytes, outcomes }) {
  return [
    `server: ${connections} hostile connections, ${messages} messages, seed ${seed}`,
    `server: ${honest} messages between the honest two, at most ${(growthBytes / MIB).toFixed(1)} MiB more held`,
    `server: ${outcomes.map(([how, count]) => `${how}: ${count}`).join(", ")}`,
  ];
}

async function startServer() {
  const args = [
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--log-level",
    "warn",
    "--stun",
    "off",
    ...LIMITS.map(String),
  ];
  const server = spawn(serverBinary, args, { stdio: ["ignore", "pipe", "pipe"] });
  const told = [];
  createInterface(server.stderr).on("line", (line) => told.length < 20 && told.push(line));
  const port = await new Promise((listening, failed) => {
    server.on("error", failed);
    server.on("exit", (code) => failed(new Error(`the server ended with ${code}: ${told.join("\n")}`)));
    createInterface(server.stdout).on("line", (line) => {
      const found = /listening on http:\S+:(\d+)$/.exec(line)?.[1];
      if (found !== undefined) listening(Number(found));
    });
  });
  return { server, port, told };
}

/** Resident memory, in bytes. */
async function memoryOf(pid) {
  const { output } = await attempt("ps", ["-o", "rss=", "-p", String(pid)], { show: "never" });
  return Number(output.trim()) * 1024;
}

/**
 * Does all that for so long; gives what it did and what went wrong, one line each. The same seed makes the same bytes.
 *
 * @returns {Promise<{seed: number, connections: number, messages: number, honest: number, growthBytes: number,
 *   outcomes: [string, number][], faults: string[]}>}
 */
export async function fuzzServer({ seconds, seed = randomInt(1, 2 ** 31) }) {
  const { server, port, told } = await startServer();
  try {
    const pair = new Pair();
    await pair.start(port);
    await sleep(500);
    const before = await memoryOf(server.pid);
    const hostile = new Worker(new URL("./hostile.mjs", import.meta.url), {
      // A few more at a time than the server takes beside the two.
      workerData: { port, seed, seconds, room: pair.room, stays: pair.stays, atATime: MAX_CONNECTIONS + 5 },
    });
    let highest = before;
    const watch = setInterval(async () => {
      highest = Math.max(highest, await memoryOf(server.pid));
    }, 500);
    const [{ faults, ...did }] = await once(hostile, "message");
    clearInterval(watch);
    faults.push(...(await pair.finish()));
    if (server.exitCode !== null || server.signalCode !== null) faults.push("the server has ended");
    const growthBytes = highest - before;
    if (!(growthBytes <= MOST_GROWTH_BYTES))
      faults.push(`the server holds ${growthBytes} bytes more than before`);
    faults.push(...told.map((line) => `the server said: ${line}`));
    const honest = pair.members.reduce((sum, { heard }) => sum + heard, 0);
    return { seed, ...did, honest, growthBytes, faults };
  } finally {
    if (server.exitCode === null) {
      const ended = once(server, "exit");
      server.kill("SIGKILL");
      await ended;
    }
  }
}
