// What a command prints about its progress: one line per step, with the time since the command began.
import { Failure } from "./run.mjs";

const began = performance.now();

/** Seconds since the command began, as "  12.3 s". */
export const elapsed = () => `${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s`;

/** Prints one line with the time in front. */
export function say(text) {
  console.log(`[${elapsed()}] ${text}`);
}

/** Runs a command's main function: a {@link Failure} is told without a stack trace, and the exit code is 1. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof Failure ? `\n[${elapsed()}] failed: ${error.message}` : error);
    process.exitCode = 1;
  }
}
