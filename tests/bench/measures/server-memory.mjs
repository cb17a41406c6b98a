// How much the signaling server's memory grows for each connection that does nothing.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { serverBinary } from "../../../scripts/lib/paths.mjs";
import { cargo } from "../../../scripts/lib/products.mjs";
import { run as runProgram } from "../../../scripts/lib/run.mjs";
import { figure } from "../lib/figures.mjs";

export const title = "server memory per idle connection";
export const defaultRuns = 3;

const CONNECTIONS = 10_000;
const KIBIBYTES_PER_CONNECTION = 8;

const program = join(dirname(serverBinary), "examples", "idle_memory");

export async function prepare() {
  await cargo("build", "--release", "--package", "peerloom-signaling", "--example", "idle_memory");
}

export function lacks() {
  if (process.platform !== "linux") return "it reads Linux's /proc";
  return existsSync(program) ? undefined : `${program} is not built`;
}

export async function run({ runs, say }) {
  // Without cards, and with the two of 300 bytes that a resident deposits.
  const variants = [0, 2].map((cards) => ({ cards, values: [] }));
  for (let round = 1; round <= runs; round++) {
    for (const { cards, values } of variants) {
      const output = await runProgram(program, [String(CONNECTIONS), String(cards)], { timeoutMs: 300_000 });
      values.push(Number(/([\d.]+) KiB per connection/.exec(output)[1]));
    }
    say(`round ${round} of ${runs}`);
  }
  return variants.map(({ cards, values }) =>
    figure({
      measure: "server memory per idle connection",
      variant: `${CONNECTIONS.toLocaleString("en-US")} connections, ${cards} cards each`,
      unit: "KiB",
      values,
      digits: 2,
      most: KIBIBYTES_PER_CONNECTION,
    }),
  );
}
