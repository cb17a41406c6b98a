// npm run fuzz: feeds everything that reads bytes from outside with what nobody would send.
//   --seconds N      how long each target runs (60)
//   --server         the running server instead: hostile clients, while two honest ones talk (tests/server-fuzz)
//   --seed N         what the hostile clients say is the same again
//   --only TARGET    one target alone (may be repeated); the names are those of fuzz/fuzz_targets
//   --keep           afterwards puts what was found into the committed corpora, as few inputs as reach the most
import { parseArgs } from "node:util";
import { fuzzServer, tellOfServer } from "../tests/server-fuzz/run.mjs";
import { fuzzAll, keep, targets } from "./lib/fuzzing.mjs";
import { buildServer } from "./lib/products.mjs";
import { Failure } from "./lib/run.mjs";
import { main } from "./lib/steps.mjs";

function options() {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      only: { type: "string", multiple: true },
      keep: { type: "boolean", default: false },
      server: { type: "boolean", default: false },
      seed: { type: "string" },
    },
  });
  const unknown = values.only?.find((name) => !targets().includes(name));
  if (unknown) throw new Failure(`no target ${unknown}: there are ${targets().join(", ")}`);
  const seconds = Number(values.seconds);
  if (!(Number.isInteger(seconds) && seconds > 0)) throw new Failure("--seconds needs a number");
  const seed = values.seed === undefined ? undefined : Number(values.seed);
  if (seed !== undefined && !Number.isInteger(seed)) throw new Failure("--seed needs a number");
  return { names: values.only ?? targets(), seconds, seed, keeps: values.keep, server: values.server };
}

await main(async () => {
  const { names, seconds, seed, keeps, server } = options();
  if (server) {
    await buildServer();
    const result = await fuzzServer({ seconds, ...(seed === undefined ? {} : { seed }) });
    console.log(["", ...tellOfServer(result), ""].join("\n"));
    if (result.faults.length > 0) throw new Failure(result.faults.join("\n"));
    return;
  }
  const results = await fuzzAll({ names, seconds });
  console.log();
  for (const { name, executions, crash } of results) {
    console.log(
      `${name.padEnd(20)} ${String(executions).padStart(10)} executions${crash ? `, FAILED: ${crash}` : ""}`,
    );
  }
  const failed = results.filter(({ crash }) => crash !== undefined);
  if (failed.length > 0) throw new Failure(`${failed.map(({ name }) => name).join(", ")}: see above`);
  if (keeps) await keep({ names });
});
