// npm start: builds what is not up to date, then serves the demo and the signaling server on one port.
// `--port N` (or PORT) chooses it, `--host ADDRESS` the network; other flags go to the server as they are.
import { spawn } from "node:child_process";
import { networkInterfaces } from "node:os";
import { serverBinary } from "./lib/paths.mjs";
import { buildAll } from "./lib/products.mjs";
import { reportSizes } from "./lib/sizes.mjs";
import { main, say } from "./lib/steps.mjs";

function option(args, name, fallback) {
  const given = args.findIndex((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
  if (given === -1) return fallback;
  const [arg] = args.splice(given, 1);
  return arg.includes("=") ? arg.slice(arg.indexOf("=") + 1) : args.splice(given, 1)[0];
}

/** This machine's addresses in the local network. */
function lanAddresses() {
  const all = Object.values(networkInterfaces()).flat();
  return all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address);
}

/** Starts the server and calls `listening` with the port it took; resolves with its exit code. */
function serve(args, listening) {
  return new Promise((done, failed) => {
    const server = spawn(serverBinary, args, { stdio: ["ignore", "pipe", "inherit"] });
    let told = "";
    server.stdout.on("data", (chunk) => {
      if (told === undefined) return process.stdout.write(chunk);
      told += chunk;
      const port = /listening on \S+?:(\d+)\s/.exec(told)?.[1];
      if (port === undefined) return;
      told = undefined;
      listening(port);
    });
    // Ctrl-C reaches the server by itself in a terminal; a supervisor signals this process alone.
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.kill(signal));
    server.on("error", failed);
    server.on("close", (code, signal) => done(signal === null ? code : 0));
  });
}

await main(async () => {
  const args = process.argv.slice(2);
  const port = option(args, "port", process.env.PORT ?? "8080");
  const host = option(args, "host", "0.0.0.0");
  if (await buildAll()) await reportSizes();
  say("starting the server …");
  process.exitCode = await serve(["--host", host, "--port", port, ...args], (actual) => {
    console.log(`\n  Open  http://localhost:${actual}`);
    if (host === "0.0.0.0" || host === "::") {
      for (const address of lanAddresses().slice(0, 1)) {
        console.log(`  On another device:  http://${address}:${actual}`);
      }
    }
    console.log("  Ctrl-C stops it.\n");
  });
});
