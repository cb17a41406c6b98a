// How long until everybody in a large room knows that somebody came.

import { figure } from "../lib/figures.mjs";
import { buildLoad, lackOfLoad, measureAll } from "../lib/load.mjs";
import { installed } from "../lib/servers.mjs";

export const title = "a newcomer in a large room";
export const defaultRuns = 3;
export const prepare = buildLoad;
export const lacks = lackOfLoad;

const MEMBERS = 100;
const TIMES = 50;
const SMOKE_TIMES = 5;
const MILLISECONDS = 10;

export async function run(setting) {
  const load = ["newcomer", "--members", MEMBERS, "--times", setting.smoke ? SMOKE_TIMES : TIMES];
  const trials = installed(setting.skip)
    // PeerServer has no rooms.
    .filter(({ dialect }) => dialect !== "peerjs")
    .map((contender) => ({ contender, load }));
  const measured = await measureAll(trials, setting);
  return ["p50", "p99"].flatMap((share) =>
    measured.map(({ contender, results }) =>
      figure({
        measure: `newcomer known to a room of ${MEMBERS}, ${share}`,
        variant: contender.name,
        unit: "ms",
        values: results.map(({ ms }) => ms[share]),
        digits: 2,
        most: contender.dialect === "peerloom" && share === "p99" ? MILLISECONDS : undefined,
        also: `itself in after ${figure({ values: results.map(({ welcomeMs }) => welcomeMs[share]) }).median.toFixed(2)} ms`,
      }),
    ),
  );
}
