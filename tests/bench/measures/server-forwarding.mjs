// What it costs a server to pass messages on between members, and how long they take.

import { figure } from "../lib/figures.mjs";
import { buildLoad, lackOfLoad, measureAll } from "../lib/load.mjs";
import { installed } from "../lib/servers.mjs";

export const title = "messages through the server";
export const defaultRuns = 5;
export const prepare = buildLoad;
export const lacks = lackOfLoad;

/** About what a session description has, or a packet that fits the network. */
const BYTES = 1_200;
/** About the largest packet: what bulk through the server is sent in. */
const BULK_BYTES = 16 * 1024;
const MEBIBYTE = 1024 * 1024;
/** Messages a second, for how long they take while the server is not at its limit. */
const RATE = 10_000;
const SMOKE_RATE = 1_000;
const SHARE_OF_RAW = 0.85;
const P99_MS = 2;
const SECONDS = 4;
const SMOKE_SECONDS = 0.4;

export async function run(setting) {
  const seconds = setting.smoke ? SMOKE_SECONDS : SECONDS;
  const rate = setting.smoke ? SMOKE_RATE : RATE;
  const contenders = installed(setting.skip).flatMap((contender) => {
    const { name, dialect } = contender;
    if (dialect !== "peerloom") return [{ contender, name, kind: "signal" }];
    return [
      { contender, name: `${name}, packets`, kind: "relay", ours: true },
      { contender, name: `${name}, signals`, kind: "signal", ours: true },
    ];
  });
  const loads = {
    full: ["--bytes", BYTES],
    paced: ["--bytes", BYTES, "--rate", rate],
    // Signals are never that long.
    bulk: ["--bytes", BULK_BYTES],
  };
  const trials = Object.entries(loads).flatMap(([load, args]) =>
    contenders
      .filter(({ name }) => load !== "bulk" || !name.endsWith("signals"))
      .map((one) => ({
        ...one,
        kindOfLoad: load,
        load: ["forward", "--kind", one.kind, "--seconds", seconds, ...args],
      })),
  );
  const measured = await measureAll(trials, setting);
  const under = (load) => measured.filter(({ kindOfLoad }) => kindOfLoad === load);
  const all = (load, key) =>
    under(load).map(({ name, results, ours }) => ({ name, values: results.map(key), results, ours }));

  const rates = all("full", ({ perSecond }) => perSecond).map(({ name, values, results }) => {
    const middle = (key) => figure({ values: results.map(key) }).median;
    const [p50, p99] = [middle(({ ms }) => ms.p50), middle(({ ms }) => ms.p99)].map((ms) => ms.toFixed(2));
    const [server, own] = [0, 1].map((end) => Math.round(middle(({ shares }) => shares[end]) * 100));
    const also = `p50 ${p50} ms, p99 ${p99} ms; server ${server} %, load ${own} % of a core`;
    return figure({ measure: "forwarding, 160 on their way", variant: name, unit: "/s", values, also });
  });
  const costs = all("full", ({ cpuUsEach }) => cpuUsEach).map(({ name, values }) =>
    figure({ measure: "processor time per message", variant: name, unit: "us", values, digits: 2 }),
  );
  const [raw] = under("full");
  // Within a round, because both then had the same machine.
  const shares = under("full")
    .slice(1)
    .map(({ name, results, ours }) =>
      figure({
        measure: "messages per processor second, raw relay 1",
        variant: name,
        unit: "",
        values: results.map(({ cpuUsEach }, round) => raw.results[round].cpuUsEach / cpuUsEach),
        digits: 2,
        least: ours ? SHARE_OF_RAW : undefined,
      }),
    );
  const latencies = ["p50", "p99"].flatMap((share) =>
    all("paced", ({ ms }) => ms[share]).map(({ name, values, ours }) =>
      figure({
        measure: `time through, ${rate.toLocaleString("en-US")}/s, ${share}`,
        variant: name,
        unit: "ms",
        values,
        digits: 3,
        most: ours && share === "p99" ? P99_MS : undefined,
      }),
    ),
  );
  const bulk = all("bulk", ({ perSecond }) => (perSecond * BULK_BYTES) / MEBIBYTE).map(({ name, values }) =>
    figure({ measure: "relay throughput, 16 KiB each", variant: name, unit: "MiB/s", values }),
  );
  return [...rates, ...costs, ...shares, ...latencies, ...bulk];
}
