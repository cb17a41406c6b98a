// The browsers under test. Playwright drives Chromium; a stock Firefox it cannot drive, puppeteer-core can (WebDriver
// BiDi), in the very same test.
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { type BrowserContext, type BrowserServer, chromium } from "@playwright/test";
import puppeteer, { type Browser as Firefox } from "puppeteer-core";

export type BrowserName = "chromium" | "firefox";

const find = (...paths: string[]) => paths.find((path) => existsSync(path));

export const chromiumPath =
  process.env.CHROMIUM_PATH ?? find("/usr/bin/chromium", "/usr/bin/chromium-browser");
export const firefoxPath = process.env.FIREFOX_PATH ?? find("/usr/bin/firefox-esr", "/usr/bin/firefox");

export const chromiumFlags = [
  "--no-sandbox",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** For pages that tell each other their addresses instead of names, which are looked up by multicast. */
export const plainAddressFlags = [...chromiumFlags, "--disable-features=WebRtcHideLocalIpsWithMdns"];

/** Whether tests without Firefox may be skipped: on a developer's machine yes, in CI never. */
export const mayLackFirefox = firefoxPath === undefined && ["", "0", "false"].includes(process.env.CI ?? "");

export function launchFirefox({
  plainAddresses = false,
  profile,
}: {
  plainAddresses?: boolean;
  profile?: string;
} = {}): Promise<Firefox> {
  if (firefoxPath === undefined) throw new Error("no Firefox: install it, or give its path in FIREFOX_PATH");
  return puppeteer.launch({
    browser: "firefox",
    executablePath: firefoxPath,
    headless: true,
    ...(profile === undefined ? {} : { userDataDir: profile }),
    // Pages in background tabs would have their timers slowed down; here every page stands for a browser of its own.
    extraPrefsFirefox: {
      "dom.min_background_timeout_value": 4,
      "dom.timeout.enable_budget_timer_throttling": false,
      "media.peerconnection.ice.obfuscate_host_addresses": !plainAddresses,
    },
  });
}

/** Starts a Chromium that can be killed: a browser of the worker's own cannot. */
export function launchChromiumServer(): Promise<BrowserServer> {
  return chromium.launchServer({
    ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
    args: chromiumFlags,
  });
}

/** Starts a Chromium whose pages store what they store in this folder. */
export function launchChromiumProfile(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, {
    ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
    args: chromiumFlags,
  });
}

/** Kills a browser with everything it started, as a crash or the system would: nothing can say goodbye. */
export function killAll(browser: ChildProcess): void {
  // Both drivers start browsers as leaders of a process group of their own.
  if (browser.pid !== undefined) process.kill(-browser.pid, "SIGKILL");
}
