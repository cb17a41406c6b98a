// How much a server's memory grows for each connection that does nothing.

import { figure } from "../lib/figures.mjs";
import { buildLoad, lackOfLoad, measureAll, settling } from "../lib/load.mjs";
import { installed } from "../lib/servers.mjs";

export const title = "server memory per idle connection";
/** Rounds hardly differ, and for minutes after one the ports of its connections are not free for the next. */
export const defaultRuns = 1;
export const prepare = buildLoad;
export const lacks = lackOfLoad;

const CONNECTIONS = [2_000, 10_000];
const SMOKE_CONNECTIONS = [100, 200];
const KIBIBYTES_PER_CONNECTION = 5;
/** The two of 300 bytes that a resident deposits. */
const CARDS = 2;
const KIBIBYTES_WITH_CARDS = 6;

export async function run(setting) {
  const steps = setting.smoke ? SMOKE_CONNECTIONS : CONNECTIONS;
  const open = ["open", ...steps.flatMap((at) => ["--at", at]), ...settling(setting)];
  const trials = installed(setting.skip).flatMap((contender) => {
    const { name, dialect } = contender;
    if (dialect !== "peerloom") return [{ contender, name, load: open }];
    return [
      { contender, name, load: open, most: KIBIBYTES_PER_CONNECTION },
      {
        contender,
        name: `${name}, ${CARDS} cards each`,
        load: [...open, "--cards", CARDS],
        most: KIBIBYTES_WITH_CARDS,
      },
    ];
  });
  const measured = await measureAll(trials, setting);
  return steps.flatMap((connections, step) =>
    measured.map(({ name, results, most }) =>
      figure({
        measure: `memory per idle connection, ${connections.toLocaleString("en-US")} of them`,
        variant: name,
        unit: "KiB",
        values: results.map(({ steps }) => steps[step].kibEach),
        digits: 2,
        most,
      }),
    ),
  );
}
