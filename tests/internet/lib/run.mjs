// Running scenarios: one, or all that are ready.
import { findBrowsers } from "../../../scripts/lib/browsers.mjs";
import { say } from "../../../scripts/lib/steps.mjs";
import { few } from "../networks/cells.mjs";
import { Grid, lackOfParts } from "../networks/grid.mjs";
import { patient, ready, scenarios } from "../scenarios/index.mjs";
import { TURN_SERVERS } from "./turn.mjs";
import { within } from "./wait.mjs";
import { World } from "./world.mjs";

/** Scenarios that mostly wait, at a time. */
const LANES = 3;

/** How a scenario with these browsers is called. */
export const titleOf = ({ name, pages = 2 }, kinds) => (pages === 0 ? name : `${name} (${kinds.join(", ")})`);

/** Why a scenario cannot run with these browsers, one line each. */
export async function lackOfBrowsers({ pages = 2, hides = false, turn = false }, kinds) {
  const screen = hides && kinds.includes("chromium") ? ["xvfb"] : [];
  return pages === 0 ? [] : findBrowsers(...new Set(kinds), ...screen, ...(turn ? ["coturn"] : []));
}

/**
 * Runs one scenario in a network of its own. Gives `{ failures, measures, timeline, seed }`: lines for people; without
 * failures it has passed.
 */
export async function runScenario(scenario, kinds, { seed, serverLog } = {}) {
  const { hosts = ["a", "b"], pages = 2, limitMs = 120_000, packets, run } = scenario;
  const world = await World.create({ hosts, kinds, seed, serverLog, withServer: pages > 0, packets });
  try {
    await within(limitMs, run(world), "the scenario");
  } catch (error) {
    world.check(false, String(error?.stack ?? error));
  } finally {
    await world.close();
  }
  const { failures, measures, timeline } = world;
  return { failures, measures, timeline: timeline.lines(), seed: world.seed };
}

/** Runs one scenario that is ready and enters how it went. The timeline is printed only where something failed. */
async function runOne({ name, kinds }, counts) {
  const scenario = scenarios.find((one) => one.name === name);
  const title = titleOf(scenario, kinds);
  const [missing] = await lackOfBrowsers(scenario, kinds);
  if (missing) return counts.skipped.push(`${title}: ${missing}`);
  const { failures, measures, timeline, seed } = await runScenario(scenario, kinds);
  const passed = failures.length === 0;
  counts[passed ? "passed" : "failed"] += 1;
  say(`${passed ? "passed" : "FAILED"}: ${title}, seed ${seed}`);
  if (passed) {
    for (const line of measures.filter((line) => !line.includes("sent"))) console.log(`    ${line}`);
  } else {
    console.log(["", ...timeline, "", ...measures, "", ...failures, ""].join("\n"));
    counts.failures.push([`${title}, seed ${seed}`, ...failures].join("\n    "));
  }
}

/** Runs a few cells of the grid of networks, with browsers that stay. */
async function runFew(counts) {
  const lacks = await lackOfParts(few.flatMap(({ kinds }) => kinds));
  if (lacks.length > 0) return counts.skipped.push(`networks: ${lacks[0]}`);
  const grid = new Grid({ turn: TURN_SERVERS[0] });
  try {
    for (const cell of few) {
      const { failures, timeline } = await grid.run(cell);
      const passed = failures.length === 0;
      counts[passed ? "passed" : "failed"] += 1;
      say(`${passed ? "passed" : "FAILED"}: network ${cell.name}, ${cell.expected}`);
      if (passed) continue;
      console.log(["", ...timeline, "", ...failures, ""].join("\n"));
      counts.failures.push([`network ${cell.name}`, ...failures].join("\n    "));
    }
  } finally {
    await grid.close();
  }
}

/**
 * Runs what is ready, as a suite of `npm test`: one after the other, a few networks, and then what mostly waits, a few at a time.
 */
export async function runReady() {
  const counts = { passed: 0, failed: 0, skipped: [], failures: [] };
  for (const one of ready) await runOne(one, counts);
  await runFew(counts);
  const queue = [...patient];
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await runOne(next, counts);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return counts;
}
