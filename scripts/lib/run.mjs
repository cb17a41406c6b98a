// Running other programs: output is kept and shown only when the program fails, unless a person is watching.
import { spawn } from "node:child_process";
import { root } from "./paths.mjs";

const onWindows = process.platform === "win32";

/** A step that failed for a reason the message tells in full: no stack trace is printed for it. */
export class Failure extends Error {}

/**
 * Runs a program to its end.
 *
 * `show`: "never" keeps the output; "failure" (default) prints it when the program fails; "always" passes it on as it
 * comes and keeps it too; "progress" hands the terminal to the program when there is one, so that progress bars work,
 * and is "failure" otherwise. Never rejects: a program that cannot be started gives `status` -1 and `missing` true.
 *
 * @returns {Promise<{status: number, output: string, missing: boolean, timedOut: boolean}>}
 */
export function attempt(command, args, { cwd = root, env = {}, show = "failure", timeoutMs } = {}) {
  return new Promise((done) => {
    // npm is a batch file on Windows, and only a shell runs those.
    const watched = show === "progress" && process.stderr.isTTY;
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: watched ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
      shell: onWindows && command === "npm",
    });
    const chunks = [];
    let timedOut = false;
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill("SIGKILL");
          }, timeoutMs);
    const end = (status, missing) => {
      clearTimeout(timer);
      const output = Buffer.concat(chunks).toString("utf8");
      if (status !== 0 && (show === "failure" || show === "progress")) process.stderr.write(output);
      done({ status, output, missing, timedOut });
    };
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from?.on("data", (chunk) => {
        chunks.push(chunk);
        if (show === "always") to.write(chunk);
      });
    }
    child.on("error", (error) => end(-1, error.code === "ENOENT"));
    child.on("close", (status) => end(status ?? -1, false));
  });
}

/** Like {@link attempt}, but throws a {@link Failure} when the program fails; gives its output. */
export async function run(command, args, options) {
  const { status, output, missing, timedOut } = await attempt(command, args, options);
  if (status === 0) return output;
  const reason = missing
    ? "is not installed"
    : timedOut
      ? "took too long and was stopped"
      : `failed (exit code ${status})`;
  throw new Failure(`${[command, ...args].join(" ")}\n${command} ${reason}`);
}
