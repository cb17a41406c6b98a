// What STUN and TURN cost a server, beside coturn.

import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serverBinary } from "../../../scripts/lib/paths.mjs";
import { cargo } from "../../../scripts/lib/products.mjs";
import { run as runProgram } from "../../../scripts/lib/run.mjs";
import { figure } from "../lib/figures.mjs";
import { lackOfLoad } from "../lib/load.mjs";
import { examples, inPath, onCore, start } from "../lib/servers.mjs";

export const title = "STUN and TURN";
export const defaultRuns = 5;

const program = join(examples, "turn_load");
const HOST = "127.0.0.1";
/** Known to everybody: it is for servers that nobody else reaches. */
const SECRET = "a-secret-for-nothing-but-measuring";
/** Where it stands for the server. */
const secretFile = join(tmpdir(), `peerloom-bench-secret-${process.pid}`);
const SECONDS = 3;
const SMOKE_SECONDS = 0.4;
const CLIENTS = 50;
const KIB = 1024;
/** For each core. */
const BINDINGS_PER_SECOND = 100_000;
const SHARE_OF_COTURN = 0.7;
const ENOUGH = "4000000000";

export async function prepare() {
  await cargo("build", "--release", "--package", "peerloom-signaling", "--example", "turn_load", "--bins");
}

export async function lacks() {
  return lackOfLoad(program);
}

// One client asks for what thousands would. Its peer is on this machine.
const ours = (port) => {
  const rates = ["stun", "turn", "turn-total"].flatMap((what) => [
    ...[`--${what}-rate`, ENOUGH],
    ...[`--${what}-burst`, ENOUGH],
  ]);
  const quotas = ["--turn-allocations-per-user", "1000", "--turn-allocations-per-address", "1000"];
  const peers = ["--turn-allow-peers", HOST];
  const at = ["--host", HOST, "--port", "0", "--stun", `${HOST}:${port}`, "--turn"];
  return [serverBinary, ...at, ...peers, ...rates, ...quotas, "--log-level", "warn"];
};

const coturns = (port) => [
  "turnserver",
  ...["-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file=/dev/null", "--pidfile=/dev/null"],
  ...["--userdb=:memory:", `--listening-ip=${HOST}`, `--listening-port=${port}`, `--relay-ip=${HOST}`],
  ...["--use-auth-secret", `--static-auth-secret=${SECRET}`, "--realm=peerloom", "--allow-loopback-peers"],
];

const contenders = [
  { name: "Peerloom", command: ours, ours: true, env: { PEERLOOM_TURN_SECRET_FILE: secretFile } },
  // It tells of every protocol that the machine lacks.
  { name: "coturn", command: coturns, isChatty: true },
];

async function measure(contender, load, setting) {
  const { address, pid, stop } = await start(contender, setting);
  try {
    const args = [program, "--address", address, "--pid", String(pid), ...load.map(String)];
    const [command, ...rest] = onCore(1, args, setting);
    return JSON.parse(await runProgram(command, rest, { timeoutMs: 120_000 }));
  } finally {
    await stop();
  }
}

export async function run(setting) {
  writeFileSync(secretFile, SECRET);
  try {
    return await measureBoth(setting);
  } finally {
    rmSync(secretFile);
  }
}

async function measureBoth(setting) {
  const { runs, smoke, say, skip } = setting;
  const seconds = smoke ? SMOKE_SECONDS : SECONDS;
  const present = contenders.filter(({ name, ours }) => {
    if (ours || inPath("turnserver")) return true;
    skip(`${name}: not measured, it is not installed`);
    return false;
  });
  const loads = {
    stun: ["stun", "--seconds", seconds],
    relay: ["relay", "--seconds", seconds, "--secret", SECRET, "--clients", CLIENTS],
  };
  const measured = present.map((contender) => ({ ...contender, stun: [], relay: [] }));
  for (let round = 1; round <= (smoke ? 1 : runs); round++) {
    for (const [kind, load] of Object.entries(loads)) {
      for (const one of measured) one[kind].push(await measure(one, load, setting));
    }
    say(`round ${round} of ${smoke ? 1 : runs}`);
  }
  const figures = measured.flatMap(({ name, ours, stun, relay }) => [
    figure({
      measure: "STUN answers per processor second",
      variant: name,
      unit: "/s",
      values: stun.map(({ cpuUsEach }) => 1e6 / cpuUsEach),
      least: ours ? BINDINGS_PER_SECOND : undefined,
    }),
    figure({
      measure: "STUN answers, 32 on their way",
      variant: name,
      unit: "/s",
      values: stun.map(({ perSecond }) => perSecond),
    }),
    figure({
      measure: `TURN, ${CLIENTS} relays, datagrams of 1,200 bytes`,
      variant: name,
      unit: "/s",
      values: relay.map(({ perSecond }) => perSecond),
    }),
    figure({
      measure: `memory with ${CLIENTS} relays`,
      variant: name,
      unit: "MiB",
      values: relay.map(({ residentKib }) => residentKib / KIB),
      digits: 1,
    }),
  ]);
  const [own, other] = measured;
  if (other === undefined) return figures;
  // Within a round, because both then had the same machine.
  const ratio = (name, key, bound) =>
    figure({
      measure: name,
      variant: "Peerloom",
      unit: "",
      values: own.relay.map((result, round) => key(result) / key(other.relay[round])),
      digits: 2,
      ...bound,
    });
  return [
    ...figures,
    ratio("TURN throughput, coturn 1", ({ perSecond }) => perSecond, { least: SHARE_OF_COTURN }),
    ratio("TURN per processor second, coturn 1", ({ cpuUsEach }) => 1 / cpuUsEach, {
      least: SHARE_OF_COTURN,
    }),
    ratio("memory of the relay, coturn 1", ({ residentKib }) => residentKib, { most: 1 }),
  ];
}
