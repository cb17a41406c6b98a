// npm run build: the npm package (sdk/dist), the demo (www/dist) and the server (target/release/peerloom-signaling).
import { buildAll } from "./lib/products.mjs";
import { reportSizes } from "./lib/sizes.mjs";
import { main, say } from "./lib/steps.mjs";

await main(async () => {
  if (!(await buildAll())) say("everything is up to date");
  await reportSizes();
  say("done");
});
