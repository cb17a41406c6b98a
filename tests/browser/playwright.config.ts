import { defineConfig } from "@playwright/test";
import { chromiumFlags, chromiumPath } from "./support/browsers.ts";

export default defineConfig({
  testDir: ".",
  testMatch: "*.spec.ts",
  timeout: 60_000,
  expect: { timeout: 20_000 },
  workers: 2,
  // A test that passes only sometimes shows a fault, here or in the product.
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  outputDir: "../../target/test-results/browser",
  use: {
    launchOptions: {
      // Without a path Playwright takes the browser it downloaded itself.
      ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
      args: chromiumFlags,
    },
  },
});
