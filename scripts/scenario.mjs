// npm run scenario -- NAME ...: runs scenarios in a small internet on this machine, and prints what happened.
//   --list             what there is
//   --browsers A,B     the browser of each page: chromium or firefox
//   --seed N           repeats what happened by chance
//   --times N          runs each so many times, or until it fails
//   --server-log L     what the server logs, for example debug (warn by default)
//   --no-build         runs with what is already built
import { parseArgs } from "node:util";
import { buildLink, lackOfNetwork } from "../tests/internet/lib/network.mjs";
import { lackOfBrowsers, runScenario, titleOf } from "../tests/internet/lib/run.mjs";
import { patient, ready, scenarios } from "../tests/internet/scenarios/index.mjs";
import { buildAll } from "./lib/products.mjs";
import { Failure } from "./lib/run.mjs";
import { main, say } from "./lib/steps.mjs";

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      list: { type: "boolean", default: false },
      browsers: { type: "string", default: "chromium,chromium" },
      seed: { type: "string" },
      times: { type: "string", default: "1" },
      "server-log": { type: "string" },
      "no-build": { type: "boolean", default: false },
    },
  });
  const unknown = positionals.find((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown) throw new Failure(`no scenario ${unknown}: see npm run scenario -- --list`);
  if (positionals.length === 0 && !values.list)
    throw new Failure("which scenario? See npm run scenario -- --list");
  const kinds = values.browsers.split(",");
  const strange = kinds.find((kind) => !["chromium", "firefox"].includes(kind));
  if (strange !== undefined) throw new Failure(`no browser ${strange}: there are chromium and firefox`);
  return { ...values, names: positionals, kinds };
}

function list() {
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  for (const { name, title } of scenarios) {
    const later = [...ready, ...patient].some((one) => one.name === name) ? "" : " [not in npm test]";
    console.log(`${name.padEnd(width)}  ${title}${later}`);
  }
}

// What is cleaned up as this process exits would stay behind after a signal.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

await main(async () => {
  const {
    list: listing,
    names,
    kinds,
    seed,
    times,
    "server-log": serverLog,
    "no-build": noBuild,
  } = options();
  if (listing) return list();
  if (!noBuild) {
    await buildAll();
    await buildLink();
  }
  const lack = await lackOfNetwork();
  if (lack) throw new Failure(`scenarios cannot run here: ${lack}`);
  const failed = [];
  for (const name of names) {
    const scenario = scenarios.find((one) => one.name === name);
    const [missing] = await lackOfBrowsers(scenario, kinds);
    if (missing) throw new Failure(missing);
    for (let time = 1; time <= Number(times); time += 1) {
      say(`${titleOf(scenario, kinds)}: ${scenario.title} …`);
      const outcome = await runScenario(scenario, kinds, { seed, serverLog });
      console.log([...outcome.timeline, "", ...outcome.measures].join("\n"));
      for (const failure of outcome.failures) console.log(`FAILED: ${failure}`);
      say(
        `${titleOf(scenario, kinds)} ${outcome.failures.length === 0 ? "passed" : "FAILED"}, seed ${outcome.seed}`,
      );
      if (outcome.failures.length === 0) continue;
      failed.push(name);
      break;
    }
  }
  if (failed.length > 0) throw new Failure(failed.join(", "));
});
