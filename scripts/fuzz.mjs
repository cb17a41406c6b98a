// npm run fuzz: feeds everything that reads bytes from outside with what nobody would send.
//   --seconds N      how long each target runs (60)
//   --only TARGET    one target alone (may be repeated); the names are those of fuzz/fuzz_targets
//   --keep           afterwards puts what was found into the committed corpora, as few inputs as reach the most
import { parseArgs } from "node:util";
import { fuzzAll, keep, targets } from "./lib/fuzzing.mjs";
import { Failure } from "./lib/run.mjs";
import { main } from "./lib/steps.mjs";

function options() {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      only: { type: "string", multiple: true },
      keep: { type: "boolean", default: false },
    },
  });
  const unknown = values.only?.find((name) => !targets().includes(name));
  if (unknown) throw new Failure(`no target ${unknown}: there are ${targets().join(", ")}`);
  const seconds = Number(values.seconds);
  if (!(Number.isInteger(seconds) && seconds > 0)) throw new Failure("--seconds needs a number");
  return { names: values.only ?? targets(), seconds, keeps: values.keep };
}

await main(async () => {
  const { names, seconds, keeps } = options();
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
