// The hostile clients, in a thread of their own: the honest two must not wait for them.
import { parentPort, workerData } from "node:worker_threads";
import { acts, readCorpus } from "./acts.mjs";
import { Chance } from "./chance.mjs";
import { Client, sleep } from "./client.mjs";

/** Between two connections, or those that are refused at once would be most. */
const PAUSE_MS = 200;
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

const { port, seed, seconds, room, stays, atATime } = workerData;
const world = { port, rooms: [room, "one", "other", ""], stays, corpus: readCorpus() };
const until = Date.now() + seconds * 1000;
const counts = { connections: 0, messages: 0 };
const [outcomes, faults] = [new Map(), []];

async function one() {
  const number = counts.connections++;
  const chance = new Chance(seed + number);
  const [name, act] = chance.one(Object.entries(acts));
  const client = new Client(port);
  counts.messages += await act(client, chance, world);
  await client.over(PATIENCE_MS);
  const [how, allowed] = outcome(client);
  outcomes.set(how, (outcomes.get(how) ?? 0) + 1);
  if (!allowed && faults.length < 10) faults.push(`${name} of connection ${number}: ${how}`);
  await sleep(chance.below(PAUSE_MS));
}

async function keepOn() {
  while (Date.now() < until) await one();
}

await Promise.all(Array.from({ length: atATime }, keepOn));
parentPort.postMessage({ ...counts, outcomes: [...outcomes].sort(), faults });
