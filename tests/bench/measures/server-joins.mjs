// What joins cost a server: while its connections become many, and while others come and go all the time.

import { figure } from "../lib/figures.mjs";
import { buildLoad, lackOfLoad, measureAll, settling } from "../lib/load.mjs";
import { installed } from "../lib/servers.mjs";

export const title = "joins at the server";
export const defaultRuns = 3;
export const prepare = buildLoad;
export const lacks = lackOfLoad;

// A process may often have no more than 20,000 descriptors.
const CONNECTIONS = [2_000, 17_000, 19_000];
const SMOKE_CONNECTIONS = [200, 400, 600];
const MICROSECONDS_PER_JOIN = 60;
const SECONDS = 4;
const SMOKE_SECONDS = 0.5;

export async function run(setting) {
  const steps = setting.smoke ? SMOKE_CONNECTIONS : CONNECTIONS;
  const contenders = installed(setting.skip);
  const seconds = setting.smoke ? SMOKE_SECONDS : SECONDS;
  const opening = { load: ["open", ...steps.flatMap((at) => ["--at", at]), ...settling(setting)] };
  const churning = { load: ["churn", "--seconds", seconds] };
  const trials = [opening, churning].flatMap(({ load }) =>
    contenders.map((contender) => ({ contender, load })),
  );
  const measured = await measureAll(trials, setting);
  const opened = measured.slice(0, contenders.length);
  const churned = measured.slice(contenders.length);
  const count = (number) => number.toLocaleString("en-US");
  const goal = ({ dialect }) => (dialect === "peerloom" ? MICROSECONDS_PER_JOIN : undefined);

  const whileOpening = [
    { step: 0, which: `the first ${count(steps[0])}` },
    { step: 2, which: `${count(steps[1])} to ${count(steps[2])}` },
  ].flatMap(({ step, which }) =>
    opened.map(({ contender, results }) =>
      figure({
        measure: `processor time per join, ${which}`,
        variant: contender.name,
        unit: "us",
        values: results.map(({ steps }) => steps[step].cpuUsEach),
        digits: 1,
        most: goal(contender),
      }),
    ),
  );
  const rates = churned.map(({ contender, results }) => {
    const { p50, p99 } = middle(results.map(({ ms }) => ms));
    return figure({
      measure: "joins, coming and going",
      variant: contender.name,
      unit: "/s",
      values: results.map(({ perSecond }) => perSecond),
      also: `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
    });
  });
  const costs = churned.map(({ contender, results }) =>
    figure({
      measure: "processor time per join and leave",
      variant: contender.name,
      unit: "us",
      values: results.map(({ cpuUsEach }) => cpuUsEach),
      digits: 1,
    }),
  );
  return [...whileOpening, ...rates, ...costs];
}

/** The medians of p50 and of p99. */
const middle = (all) => ({
  p50: figure({ values: all.map(({ p50 }) => p50) }).median,
  p99: figure({ values: all.map(({ p99 }) => p99) }).median,
});
