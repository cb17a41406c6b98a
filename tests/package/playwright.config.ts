import { defineConfig } from "@playwright/test";

const chromium = process.env.CHROMIUM_PATH;

export default defineConfig({
  testDir: ".",
  testMatch: "*.spec.ts",
  timeout: 60_000,
  workers: 1,
  forbidOnly: process.env.CI !== undefined,
  outputDir: "../../target/test-results/package",
  use: {
    // Without a path Playwright takes the browser it downloaded itself.
    launchOptions: {
      ...(chromium === undefined ? {} : { executablePath: chromium }),
      args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
    },
  },
});
