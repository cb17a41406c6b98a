// npm run dev: the demo with Vite's reloading, and the browser package and the server built anew on every change.
// The module is a development build: quick to compile, with names and checks, and several times larger.
import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { join } from "node:path";
import { installPackages, tool } from "./lib/npm.mjs";
import { at, root, target } from "./lib/paths.mjs";
import { buildDemo, buildFace, buildModule, cargo } from "./lib/products.mjs";
import { main, say } from "./lib/steps.mjs";

const PORT = process.env.PORT ?? "8080";
let server;

async function buildPackage() {
  await buildModule({ dev: true });
  await buildFace();
}

async function restartServer() {
  await cargo("build", "--package", "peerloom-signaling");
  server?.kill();
  // Vite's page comes from another port than the server.
  const flags = ["--host", "127.0.0.1", "--port", PORT, "--allow-origin", "*"];
  server = spawn(join(target, "debug", "peerloom-signaling"), flags, { stdio: "inherit" });
}

/** Calls `work` shortly after the last of several changes, and never twice at once. */
function onChange(folders, work) {
  let timer;
  let last = Promise.resolve();
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      last = last.then(work).catch((error) => console.error(error.message));
    }, 150);
  };
  for (const folder of folders) watch(at(folder), { recursive: true }, again);
}

await main(async () => {
  await installPackages();
  await buildPackage();
  await buildDemo(); // the server has it inside
  say("compiling the signaling server …");
  await restartServer();
  onChange(["protocol/src", "sdk/src", "sdk/ts"], buildPackage);
  onChange(["protocol/src", "signaling/src"], restartServer);
  say("ready: open the address below; other devices need `npm start`");
  const vite = spawn(process.execPath, [tool("vite/bin/vite.js"), at("www")], {
    cwd: root,
    stdio: "inherit",
  });
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
      server?.kill();
      vite.kill();
      process.exit(0);
    });
  }
});
