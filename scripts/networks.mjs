// npm run networks: tries every pair of networks, filter and kind of TURN in a small internet, prints what came of them, and writes
// that into docs/networks.md.
//   --list             what there is, and what is expected
//   --cells TEXT       only cells with this in their names, a regular expression; nothing is written then
//   --few              only those that `npm test` runs; likewise
//   --browsers A,B     only cells with these browsers
//   --turn NAME        the TURN server
//   --lanes N          so many at a time, each in a small internet of its own (2)
//   --no-build         runs with what is already built
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildLink, lackOfNetwork } from "../tests/internet/lib/network.mjs";
import { TURN_SERVERS } from "../tests/internet/lib/turn.mjs";
import { cells, few } from "../tests/internet/networks/cells.mjs";
import { Grid, lackOfParts } from "../tests/internet/networks/grid.mjs";
import { cellText, tableOf } from "../tests/internet/networks/table.mjs";
import { at } from "./lib/paths.mjs";
import { buildAll } from "./lib/products.mjs";
import { Failure } from "./lib/run.mjs";
import { main, say } from "./lib/steps.mjs";

const DOCUMENT = at("docs", "networks.md");
const [BEGIN, END] = ["<!-- what `npm run networks` writes -->", "<!-- up to here -->"];

function options() {
  const { values } = parseArgs({
    options: {
      list: { type: "boolean", default: false },
      cells: { type: "string" },
      few: { type: "boolean", default: false },
      browsers: { type: "string" },
      turn: { type: "string", default: TURN_SERVERS[0] },
      lanes: { type: "string", default: "2" },
      "no-build": { type: "boolean", default: false },
    },
  });
  if (!TURN_SERVERS.includes(values.turn))
    throw new Failure(`no TURN server ${values.turn}: there is ${TURN_SERVERS.join(", ")}`);
  const named = new RegExp(values.cells ?? "");
  const wanted = (values.few ? few : cells).filter(
    ({ name, kinds }) =>
      named.test(name) && (values.browsers === undefined || kinds.join() === values.browsers),
  );
  if (wanted.length === 0) throw new Failure("no such cells: see npm run networks -- --list");
  const lanes = Number(values.lanes);
  if (!(lanes >= 1 && lanes <= 8)) throw new Failure(`not ${values.lanes} lanes: 1 to 8`);
  return { ...values, lanes, wanted, all: wanted.length === cells.length };
}

function write(outcomes) {
  const text = readFileSync(DOCUMENT, "utf8");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin === -1 || end < begin) throw new Failure(`${DOCUMENT} has no place for the table`);
  const table = tableOf(cells, outcomes);
  writeFileSync(DOCUMENT, `${text.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${text.slice(end)}`);
}

// What is cleaned up as this process exits would stay behind after a signal.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

await main(async () => {
  const { list, wanted, all, turn, lanes, "no-build": noBuild } = options();
  if (list) {
    for (const { name, expected } of wanted) console.log(`${name}  ${expected}`);
    return;
  }
  if (!noBuild) {
    await buildAll();
    await buildLink();
  }
  const lack = await lackOfNetwork();
  if (lack) throw new Failure(`networks cannot be made here: ${lack}`);
  const [missing] = await lackOfParts(wanted.flatMap(({ kinds }) => kinds));
  if (missing) throw new Failure(missing);
  const outcomes = new Map();
  const queue = [...wanted];
  const lane = async () => {
    const grid = new Grid({ turn });
    try {
      for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
        const outcome = await grid.run(cell);
        outcomes.set(cell.name, outcome);
        const took = `${(outcome.tookMs / 1000).toFixed(1)} s`;
        say(`${outcomes.size} of ${wanted.length}: ${cell.name}: ${cellText(outcome)} (${took})`);
        if (outcome.failures.length > 0)
          console.log(["", ...outcome.timeline, "", ...outcome.failures, ""].join("\n"));
      }
    } finally {
      await grid.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, wanted.length) }, lane));
  console.log(`\n${tableOf(wanted, outcomes)}\n`);
  if (all) write(outcomes);
  const failed = wanted.filter(({ name }) => outcomes.get(name).failures.length > 0);
  if (failed.length > 0)
    throw new Failure(`${failed.length} of ${wanted.length}: ${failed.map(({ name }) => name).join(", ")}`);
  say(`${wanted.length} cells, as expected`);
});
