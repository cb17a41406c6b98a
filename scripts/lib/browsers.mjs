// The browsers and drivers the tests need: looked for, installed with apt where that is possible, else told plainly.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { aptInstall } from "./apt.mjs";

const PARTS = {
  chromium: {
    variable: "CHROMIUM_PATH",
    programs: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    applications: ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"],
    debian: "chromium",
    remedy: "install Chromium or Chrome, or give its path in CHROMIUM_PATH",
  },
  chromedriver: {
    variable: "CHROMEDRIVER",
    programs: ["chromedriver"],
    applications: [],
    debian: "chromium-driver",
    remedy: "install chromedriver of your Chromium's version, or give its path in CHROMEDRIVER",
  },
  firefox: {
    variable: "FIREFOX_PATH",
    programs: ["firefox-esr", "firefox"],
    applications: ["/Applications/Firefox.app/Contents/MacOS/firefox"],
    debian: "firefox-esr",
    remedy: "install Firefox, or give its path in FIREFOX_PATH",
  },
  coturn: {
    variable: "TURNSERVER_PATH",
    programs: ["turnserver"],
    applications: [],
    debian: "coturn",
    remedy: "install coturn, or give the path of its turnserver in TURNSERVER_PATH",
  },
  tinyproxy: {
    variable: "TINYPROXY_PATH",
    programs: ["tinyproxy"],
    applications: [],
    debian: "tinyproxy",
    remedy: "install tinyproxy, or give its path in TINYPROXY_PATH",
  },
  openssl: {
    variable: "OPENSSL_PATH",
    programs: ["openssl"],
    applications: [],
    debian: "openssl",
    remedy: "install openssl, or give its path in OPENSSL_PATH",
  },
  // Tells browsers whose certificates to believe.
  certutil: {
    variable: "CERTUTIL_PATH",
    programs: ["certutil"],
    applications: [],
    debian: "libnss3-tools",
    remedy: "install NSS's certutil (libnss3-tools), or give its path in CERTUTIL_PATH",
  },
  // A screen nobody sees, for browsers that must have windows.
  xvfb: {
    variable: "XVFB_PATH",
    programs: ["Xvfb"],
    applications: [],
    debian: "xvfb",
    remedy: "install Xvfb, or give its path in XVFB_PATH",
  },
};

function find({ variable, programs, applications }) {
  if (process.env[variable]) return process.env[variable];
  const folders = (process.env.PATH ?? "").split(delimiter);
  const onPath = programs.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...onPath, ...applications].find((path) => existsSync(path));
}

/**
 * Finds the named parts, installing what is missing, and puts their paths into the environment under the names the
 * tests read. Gives one line for each part that stays missing.
 */
export async function findBrowsers(...names) {
  const missing = names.filter((name) => find(PARTS[name]) === undefined);
  if (missing.length > 0) await aptInstall(missing.map((name) => PARTS[name].debian));
  for (const name of names) {
    const path = find(PARTS[name]);
    if (path !== undefined) process.env[PARTS[name].variable] = path;
  }
  return names
    .filter((name) => find(PARTS[name]) === undefined)
    .map((name) => `no ${name}: ${PARTS[name].remedy}`);
}
