// Makes the browser module smaller: wasm-opt, and short names between the module and its glue.
import { readFileSync, writeFileSync } from "node:fs";
import { tool } from "./npm.mjs";
import { Failure, run } from "./run.mjs";

const OPTIMIZE = [
  "-Oz",
  "--converge",
  // Runs of zeros, which --bare-panics leaves, compress better than the list of pieces between them: 0.3 % of the whole.
  "--skip-pass=memory-packing",
  // The stack is the first thing in memory and grows down from 1 MiB, so nothing is ever kept in the first KiB.
  "--low-memory-unused",
  // Merging every function that is called once into its caller makes a smaller module that compresses worse: 0.5 % of it.
  "--one-caller-inline-max-function-size=20",
];

const wasmOpt = (wasm, ...flags) =>
  run(process.execPath, [tool("binaryen/bin/wasm-opt"), ...flags, wasm, "-o", wasm]);

/** Rewrites a module and the glue that loads it. */
export async function shrink(wasm, glue) {
  await wasmOpt(wasm, ...OPTIMIZE);
  // The generated names end in a hash each, which no compression can take away: 3 % of the whole page. On its own,
  // because --converge would shorten the short names again.
  const { imports, exports } = JSON.parse(await wasmOpt(wasm, "--minify-imports-and-exports-and-modules"));
  let code = readFileSync(glue, "utf8");
  const replace = (before, after) => {
    const pieces = code.split(before);
    // A name left as it was would only show when the module is loaded.
    if (pieces.length < 2)
      throw new Failure(`${glue} has no ${before}: wasm-bindgen writes its glue differently now`);
    code = pieces.join(after);
  };
  // The glue lists what it gives as `name: function(…) {…},` or `name: wasm.other,` under the module's name, and what
  // it takes as `wasm.name`.
  for (const module of new Set(imports.map(([module]) => module))) replace(`"${module}": `, '"a": ');
  for (const [, name, short] of imports) replace(` ${name}: `, ` "${short}": `);
  // Longer names first: one may begin with another.
  for (const [name, short] of exports.sort(([a], [b]) => b.length - a.length)) {
    // Some are for other hosts than a page, and not in its glue.
    if (code.includes(`wasm.${name}`)) replace(`wasm.${name}`, `wasm["${short}"]`);
  }
  writeFileSync(glue, code);
}
