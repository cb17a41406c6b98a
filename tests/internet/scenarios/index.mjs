// Every scenario, and which of them `npm test` runs with which browsers.
import bulk from "./bulk.mjs";
import lanes from "./lanes.mjs";
import link from "./link.mjs";
import pages from "./pages.mjs";
import partitions from "./partitions.mjs";
import paths from "./paths.mjs";
import server from "./server.mjs";
import trust from "./trust.mjs";
import turn from "./turn.mjs";
import weather from "./weather.mjs";

/** In the order of `--list`. */
export const scenarios = [
  ...link,
  ...paths,
  ...weather,
  ...bulk,
  ...lanes,
  ...partitions,
  ...server,
  ...pages,
  ...turn,
  ...trust,
];

const CHROMIUM = ["chromium", "chromium"];
const MIXED = ["chromium", "firefox"];

/**
 * What `npm test` runs: fast scenarios whose promises are kept. Whatever is neither here nor below can be run by name: it
 * takes long, or waits for what is not built yet.
 */
export const ready = [
  { name: "link-impairments", kinds: [] },
  { name: "join", kinds: CHROMIUM },
  { name: "join", kinds: MIXED },
  { name: "behind-a-router", kinds: CHROMIUM },
  { name: "udp-blocked", kinds: MIXED },
  { name: "direct-path-dies", kinds: CHROMIUM },
  { name: "loss-5", kinds: MIXED },
  { name: "disorder", kinds: CHROMIUM },
  { name: "lanes", kinds: CHROMIUM },
  { name: "lanes", kinds: MIXED },
  { name: "partition-1s", kinds: CHROMIUM },
  { name: "partition-1s", kinds: MIXED },
  { name: "partition-10s", kinds: MIXED },
  { name: "router-forgets", kinds: CHROMIUM },
  { name: "server-killed", kinds: MIXED },
  { name: "reload", kinds: CHROMIUM },
  { name: "back-forward-cache", kinds: CHROMIUM },
  { name: "back-forward-cache", kinds: MIXED },
  { name: "tab-in-background", kinds: CHROMIUM },
  { name: "tab-in-background", kinds: MIXED },
  { name: "turn-killed", kinds: MIXED },
  { name: "relay-only-turn", kinds: MIXED },
  { name: "private-candidates", kinds: CHROMIUM },
  { name: "private-candidates", kinds: ["firefox", "chromium"] },
];

/** What it runs as well, a few at a time: they take long, but mostly wait. */
export const patient = [
  { name: "page-paused-5min", kinds: CHROMIUM },
  { name: "crash-without-server", kinds: CHROMIUM },
  { name: "partition-60s", kinds: MIXED },
  { name: "both-paths-dead-direct-back", kinds: CHROMIUM },
  { name: "both-paths-dead-server-back", kinds: MIXED },
  { name: "server-replaced-20-times", kinds: MIXED },
  { name: "server-frozen", kinds: MIXED },
  { name: "browser-asleep-20s", kinds: CHROMIUM },
  { name: "page-paused-20s", kinds: CHROMIUM },
  { name: "loss-20", kinds: CHROMIUM },
  { name: "far-away", kinds: CHROMIUM },
  { name: "symmetric-routers", kinds: CHROMIUM },
  { name: "address-change", kinds: CHROMIUM },
  { name: "public-address-changes", kinds: CHROMIUM },
  { name: "server-late", kinds: MIXED },
  { name: "server-ends", kinds: CHROMIUM },
  { name: "crash", kinds: MIXED },
  { name: "turn-credentials", kinds: MIXED },
  { name: "turn-credentials-coturn", kinds: CHROMIUM },
  { name: "turn-killed-no-relay", kinds: MIXED },
];
