// npm run sbom: leaves a bill of materials of the npm package and one of the server in target/sbom.
import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { root, target } from "./lib/paths.mjs";
import { Failure } from "./lib/run.mjs";
import { bills } from "./lib/sbom.mjs";
import { main, say } from "./lib/steps.mjs";
import { findRust } from "./lib/toolchain.mjs";

await main(async () => {
  await findRust();
  const folder = join(target, "sbom");
  mkdirSync(folder, { recursive: true });
  const all = await bills();
  for (const { file, text } of all) {
    writeFileSync(join(folder, file), text);
    const { components } = JSON.parse(text);
    say(`${relative(root, join(folder, file))}: ${components.length} components`);
  }
  const faults = all.flatMap(({ faults }) => faults);
  if (faults.length > 0) throw new Failure(faults.join("\n"));
});
