// Who is compared, and what each needs beside its page.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { benchPageDir } from "../../../scripts/lib/paths.mjs";
import { buildBenchPage } from "../../../scripts/lib/products.mjs";
import { run } from "../../../scripts/lib/run.mjs";
import { whenStale } from "../../../scripts/lib/stamps.mjs";
import { say } from "../../../scripts/lib/steps.mjs";

const below = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const RIVALS = below("rivals");
const INSTALLED = `${RIVALS}/node_modules/.package-lock.json`;

/** Programs that introduce pages to each other, by the name under which a page finds the port of one in its address. */
export const SERVICES = {
  relay: below("lib/relay.mjs"),
  topics: below("rivals/topic-server.mjs"),
  peerserver: below("rivals/peer-server.mjs"),
};

const rival = (name, page, services) => {
  const sizePage = below(`rivals/size/${page}.js`);
  return { name, script: `rivals/${page}.js`, page, services, needs: INSTALLED, rival: true, sizePage };
};

export const PEERLOOM = {
  name: "Peerloom",
  script: "contenders/peerloom.ts",
  page: "peerloom",
  services: [],
};
export const PEERLOOM_RUST = {
  name: "Peerloom from Rust",
  script: "contenders/peerloom-rust.ts",
  page: "peerloom-rust",
  services: [],
  needs: `${benchPageDir}/bench_page.js`,
};
export const RAW = {
  name: "RTCPeerConnection by hand",
  script: "contenders/raw.ts",
  page: "raw",
  services: ["relay"],
};
export const RIVAL_LIBRARIES = [
  rival("PeerJS", "peerjs", ["peerserver"]),
  rival("simple-peer", "simple-peer", ["relay"]),
  rival("Trystero", "trystero", ["topics"]),
];

/** A contender with settings in its page's address. */
export const tuned = (contender, name, settings) => ({ ...contender, name, settings });

/** Those that are installed or built; without `rivals`, of ours and by hand only. */
export function present(contenders, { rivals = true } = {}) {
  const isWanted = ({ needs, rival }) => (rivals || !rival) && (needs === undefined || existsSync(needs));
  return contenders.filter(isWanted);
}

/** Installs the rivals and builds the page in Rust. Nothing but the benchmark needs them. */
export async function prepareContenders() {
  await buildBenchPage();
  await installRivals();
}

async function installRivals() {
  const inputs = ["tests/bench/rivals/package.json", "tests/bench/rivals/package-lock.json"];
  const outputs = [INSTALLED];
  await whenStale("rivals", { inputs, outputs }, async () => {
    say("installing the libraries to compare with …");
    await run("npm", ["ci", "--prefix", RIVALS, "--ignore-scripts", "--no-audit", "--no-fund"], {
      show: "progress",
    });
  });
}
