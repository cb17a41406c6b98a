// The signaling server on this machine, which also serves the pages.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { serverBinary } from "../../../scripts/lib/paths.mjs";

/** Starts it on a free port; gives its origin and a function that ends it. */
export async function startServer(www) {
  const args = ["--host", "127.0.0.1", "--port", "0", "--log-level", "warn", "--www", www];
  const child = spawn(serverBinary, args, { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => child.kill("SIGKILL");
  process.on("exit", stop);
  const origin = await new Promise((listening, failed) => {
    child.on("error", failed);
    child.on("close", (code) => failed(new Error(`the signaling server ended with code ${code}`)));
    createInterface(child.stdout).on("line", (line) => {
      const found = /listening on (http:\S+:\d+)$/.exec(line)?.[1];
      if (found !== undefined) listening(found);
    });
  });
  return { origin, stop };
}
