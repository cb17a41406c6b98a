// Hostile clients against the running server, while two honest ones talk: it lives, holds little, ends every connection in a way
// that is written down, and the two lose nothing.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { serverBinary } from "../../scripts/lib/paths.mjs";
import { attempt } from "../../scripts/lib/run.mjs";
import { acts, readCorpus } from "./acts.mjs";
import { Chance } from "./chance.mjs";
import { Client, sleep } from "./client.mjs";
import { Pair } from "./pair.mjs";

const MIB = 1024 * 1024;
/** What the server may hold more than with the two alone. */
const MOST_GROWTH_BYTES = 20 * MIB;
const MAX_CONNECTIONS = 100;
/** Hostile connections at a time: with the two honest ones, a few more than the server takes. */
const AT_A_TIME = MAX_CONNECTIONS + 5;
/** Between two of them, or those that are refused at once would be most. */
const PAUSE_MS = 200;
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
/** No act takes longer than this behind its last word. */
const PATIENCE_MS = 1_500;

/** Those of docs/signaling-server.md, and those of RFC 6455 §7.4.1 for frames that are none. */
const CLOSE_CODES = new Set([
  ...[1000, 1001, 1002, 1005, 1007, 1009],
  ...[4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007, 4008, 4009, 4010],
]);
const STATUSES = new Set([200, 304, 400, 403, 404, 405, 414, 426, 431, 503]);

/** How a connection ended, in a word; and whether it may end so. */
function outcome({ status, closeCode, ended }) {
  if (closeCode !== undefined) return [`closed with ${closeCode}`, CLOSE_CODES.has(closeCode)];
  if (status !== undefined && status !== 101) return [`status ${status}`, STATUSES.has(status)];
  if (ended) return ["ended by the client", true];
  // Before an answer the server may hang up: it has too many connections, or the head took too long or is none.
  // Behind one, when it is far above the limits.
  return [status === 101 ? "hung up on a WebSocket" : "hung up on a request", true];
}

/** What it came to, one line each. */
export function tellOfServer({ seed, connections, messages, honest, growthBytes, outcomes }) {
  return [
    `server: ${connections} hostile connections, ${messages} messages, seed ${seed}`,
    `server: ${honest} messages between the honest two, at most ${(growthBytes / MIB).toFixed(1)} MiB more held`,
    `server: ${outcomes.map(([how, count]) => `${how}: ${count}`).join(", ")}`,
  ];
}

async function startServer() {
  const args = ["--host", "127.0.0.1", "--port", "0", "--log-level", "warn", ...LIMITS.map(String)];
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
    const world = { port, rooms: [pair.room, "one", "other", ""], stays: pair.stays, corpus: readCorpus() };
    const until = Date.now() + seconds * 1000;
    const counts = { connections: 0, messages: 0 };
    const [outcomes, faults] = [new Map(), []];
    let highest = before;

    const one = async () => {
      const number = counts.connections++;
      const chance = new Chance(seed + number);
      const [name, act] = chance.one(Object.entries(acts));
      const client = new Client(port);
      counts.messages += await act(client, chance, world);
      await client.over(PATIENCE_MS);
      const [how, allowed] = outcome(client);
      outcomes.set(how, (outcomes.get(how) ?? 0) + 1);
      await sleep(chance.below(PAUSE_MS));
      if (!allowed && faults.length < 10) faults.push(`${name} of connection ${number}: ${how}`);
    };
    const keepOn = async () => {
      while (Date.now() < until && server.exitCode === null) await one();
    };
    const watch = async () => {
      while (Date.now() < until && server.exitCode === null) {
        await sleep(500);
        highest = Math.max(highest, await memoryOf(server.pid));
      }
    };
    await Promise.all([watch(), ...Array.from({ length: AT_A_TIME }, keepOn)]);

    faults.push(...(await pair.finish()));
    if (server.exitCode !== null || server.signalCode !== null) faults.push("the server has ended");
    const growthBytes = highest - before;
    if (!(growthBytes <= MOST_GROWTH_BYTES))
      faults.push(`the server holds ${growthBytes} bytes more than before`);
    faults.push(...told.map((line) => `the server said: ${line}`));
    const honest = pair.members.reduce((sum, { heard }) => sum + heard, 0);
    return { seed, ...counts, honest, growthBytes, outcomes: [...outcomes].sort(), faults };
  } finally {
    if (server.exitCode === null) {
      const ended = once(server, "exit");
      server.kill("SIGKILL");
      await ended;
    }
  }
}
