// npm run pack: leaves the publishable npm package in dist/peerloom-VERSION.tgz.
import { relative } from "node:path";
import { pack } from "./lib/pack.mjs";
import { root } from "./lib/paths.mjs";
import { main, say } from "./lib/steps.mjs";

await main(async () => say(`packed ${relative(root, await pack())}`));
