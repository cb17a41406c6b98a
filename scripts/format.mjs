// npm run format: writes every file as `npm run check` wants it.
import { installPackages } from "./lib/npm.mjs";
import { at } from "./lib/paths.mjs";
import { cargo, node } from "./lib/products.mjs";
import { main } from "./lib/steps.mjs";

await main(async () => {
  await installPackages();
  await cargo("fmt", "--all");
  await cargo("fmt", "--manifest-path", at("fuzz/Cargo.toml"));
  await node("@biomejs/biome/bin/biome", "check", "--write");
});
