// npm run bench: measures what is promised in figures and prints one table.
//   --only NAME      one measure alone (may be repeated); the names are below
//   --runs N         trials of each kind instead of each measure's own number
//   --mebibytes N    how much is sent in bulk, instead of each measure's own number
//   --smoke          everything once and briefly: whether it works, not how fast; fails when a figure is missing or zero.
//                    Rivals take part in two measures only
//   --json FILE      writes every single value as well
//   --urgent         runs browsers and servers with real-time priority, for a machine that is not quiet (root)
//   --packet-log FILE  notes every packet on the network between the hosts
//   --no-build       measures what is already built
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { printTable } from "../tests/bench/lib/figures.mjs";
import { describeMachine, Quiet } from "../tests/bench/lib/machine.mjs";
import * as bulk from "../tests/bench/measures/bulk.mjs";
import * as core from "../tests/bench/measures/core.mjs";
import * as firstMessage from "../tests/bench/measures/first-message.mjs";
import * as freshBulk from "../tests/bench/measures/fresh-bulk.mjs";
import * as join from "../tests/bench/measures/join.mjs";
import * as joins from "../tests/bench/measures/joins.mjs";
import * as longLink from "../tests/bench/measures/long-link.mjs";
import * as memory from "../tests/bench/measures/memory.mjs";
import * as mesh from "../tests/bench/measures/mesh.mjs";
import * as pageBytes from "../tests/bench/measures/page-bytes.mjs";
import * as roundTrip from "../tests/bench/measures/round-trip.mjs";
import * as serverForwarding from "../tests/bench/measures/server-forwarding.mjs";
import * as serverJoins from "../tests/bench/measures/server-joins.mjs";
import * as serverMemory from "../tests/bench/measures/server-memory.mjs";
import * as serverNewcomer from "../tests/bench/measures/server-newcomer.mjs";
import * as serverTurn from "../tests/bench/measures/server-turn.mjs";
import * as smallMessages from "../tests/bench/measures/small-messages.mjs";
import { findBrowsers } from "./lib/browsers.mjs";
import { ci } from "./lib/paths.mjs";
import { buildAll } from "./lib/products.mjs";
import { Failure } from "./lib/run.mjs";
import { main, say } from "./lib/steps.mjs";

const measures = {
  bulk,
  "fresh-bulk": freshBulk,
  "small-messages": smallMessages,
  "round-trip": roundTrip,
  join,
  "first-message": firstMessage,
  "long-link": longLink,
  mesh,
  memory,
  joins,
  "server-memory": serverMemory,
  "server-joins": serverJoins,
  "server-forwarding": serverForwarding,
  "server-newcomer": serverNewcomer,
  "server-turn": serverTurn,
  "page-bytes": pageBytes,
  core,
};

function count(values, name) {
  if (values[name] === undefined) return undefined;
  const number = Number(values[name]);
  if (!(Number.isInteger(number) && number > 0)) throw new Failure(`--${name} needs a number`);
  return number;
}

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: Object.keys(measures) },
      runs: { type: "string" },
      mebibytes: { type: "string" },
      json: { type: "string" },
      smoke: { type: "boolean", default: false },
      urgent: { type: "boolean", default: false },
      "packet-log": { type: "string" },
      "no-build": { type: "boolean", default: false },
    },
  });
  const unknown = values.only.find((name) => !(name in measures));
  if (unknown) throw new Failure(`no measure ${unknown}: there are ${Object.keys(measures).join(", ")}`);
  return { ...values, runs: count(values, "runs"), mebibytes: count(values, "mebibytes") };
}

/** A figure that is missing, or zero where it cannot be, shows that the benchmark itself is broken. */
function refuseNonsense(figures, skipped) {
  const isNonsense = ({ values, median, mayBeZero }) =>
    values.length === 0 || !Number.isFinite(median) || (median === 0 && !mayBeZero);
  const wrong = figures.filter(isNonsense).map(({ measure, variant }) => `${measure}: ${variant}`);
  if (ci) wrong.push(...skipped);
  if (wrong.length > 0) throw new Failure(`no sensible figure for\n${wrong.join("\n")}`);
}

// What is cleaned up as this process exits would stay behind after a signal.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

await main(async () => {
  const { only, runs, mebibytes, json, urgent, smoke, "packet-log": log, "no-build": noBuild } = options();
  if (!noBuild) await buildAll();
  for (const line of await findBrowsers("chromium", "firefox")) say(line);
  const machine = await describeMachine();
  const quiet = new Quiet({ brief: smoke });
  const figures = [];
  const skipped = [];
  /** Servers of others that are not installed: nothing that must be there. */
  const absent = new Set();
  for (const name of only) {
    const measure = measures[name];
    if (!noBuild) await measure.prepare?.();
    const lack = await measure.lacks?.();
    if (lack) {
      skipped.push(`${measure.title}: not measured, ${lack}`);
      continue;
    }
    say(`${measure.title} …`);
    await quiet.wait(1_000);
    const usual = smoke ? 1 : measure.defaultRuns;
    const skip = (line) => absent.add(line);
    const setting = { runs: runs ?? usual, mebibytes, say, quiet, log, urgent, smoke, skip };
    figures.push(...(await measure.run(setting)));
  }
  if (figures.length > 0) printTable(figures);
  const { processor, cores, memoryGiB, system, ...rest } = machine;
  console.log(`${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}`);
  console.log([rest.chromium, rest.firefox, `Node ${rest.node}`].filter(Boolean).join(", "));
  for (const line of [...skipped, ...absent]) console.log(line);
  const others = quiet.report();
  if (others !== undefined) {
    const use = `others used ${others.busyCores} cores, the hypervisor took ${(others.stolenShare * 100).toFixed(1)} %`;
    const busy = urgent
      ? "busy machine, measured with real-time priority"
      : "NOT TO BE TRUSTED, the machine was busy";
    console.log(`${others.trusted ? "quiet machine" : busy}: ${use}`);
  }
  if (smoke) refuseNonsense(figures, skipped);
  if (json) {
    const report = { time: new Date().toISOString(), machine, others, urgent, skipped, figures };
    writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
});
