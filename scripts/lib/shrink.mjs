// Makes the browser module smaller: wasm-opt, and short names between the module and its glue.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tool } from "./npm.mjs";
import { orderFunctions } from "./order.mjs";
import { Failure, run } from "./run.mjs";

const OPTIMIZE = [
  // Taking the code apart into single steps first, and finding its loops anew, ends in shorter code that compresses better:
  // 0.5 % of the whole.
  "--flatten",
  "--rereloop",
  // The second time finds 0.3 % more, which --converge alone does not.
  "-Oz",
  "-Oz",
  "--converge",
  // Keeping what was computed costs a local, and the repetition that would have compressed: 0.4 %.
  "--skip-pass=local-cse",
  // Runs of zeros, which --bare-panics leaves, compress better than the list of pieces between them: 0.3 % of the whole.
  "--skip-pass=memory-packing",
  // The stack is the first thing in memory and grows down from 1 MiB, so nothing is ever kept in the first KiB.
  "--low-memory-unused",
  // Merging every function that is called once into its caller makes a smaller module that compresses worse: 0.5 % of it.
  "--one-caller-inline-max-function-size=20",
];

const binaryen = (name, from, to, ...flags) =>
  run(process.execPath, [tool(`binaryen/bin/${name}`), ...flags, from, "-o", to]);

/** Rewrites a module and the glue that loads it. */
export async function shrink(wasm, glue) {
  await binaryen("wasm-opt", wasm, wasm, ...OPTIMIZE);
  // 1.6 % of the whole.
  const text = `${wasm}.wat`;
  await binaryen("wasm-dis", wasm, text);
  // What the module may use is a comment in the text.
  const features = readFileSync(text, "utf8").match(/^ ;; features section: (.*)$/m)[1];
  const enable = features.split(", ").map((feature) => `--enable-${feature}`);
  orderFunctions(wasm, text);
  // The generated names end in a hash each, which no compression can take away: 3 % of the whole page. On its own,
  // because --converge would shorten the short names again.
  const { imports, exports } = JSON.parse(
    await binaryen("wasm-opt", text, wasm, "--minify-imports-and-exports-and-modules", ...enable),
  );
  rmSync(text);
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
