// Fresh projects that have the packed npm package installed, as a user's would, outside this repository.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/** The packed package: given by `npm run test:package`, or what `npm run pack` left. */
export function tarball(): string {
  const given = process.env.PEERLOOM_TARBALL;
  if (given !== undefined) return given;
  const found = readdirSync(join(repository, "dist")).find((name) => name.endsWith(".tgz"));
  if (found === undefined) throw new Error("no tarball in dist/: run `npm run pack` first");
  return join(repository, "dist", found);
}

/** A folder with a `package.json` and the package in `node_modules`. Dispose of it to delete it. */
export class Project implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "peerloom-package-"));

  constructor() {
    this.write("package.json", JSON.stringify({ private: true, type: "module" }));
    // The package depends on nothing, so no registry is asked.
    execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball()], {
      cwd: this.folder,
      stdio: "pipe",
    });
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  /** Copies a file of `consumers/` into the project. */
  add(consumer: string, name = consumer): void {
    cpSync(fileURLToPath(new URL(`consumers/${consumer}`, import.meta.url)), this.path(name));
  }

  /** Runs a JavaScript program of this repository's `node_modules` in the project. Throws with its output if it fails. */
  runTool(script: string, ...args: string[]): string {
    return this.run(process.execPath, join(repository, "node_modules", script), ...args);
  }

  run(command: string, ...args: string[]): string {
    try {
      return execFileSync(command, args, { cwd: this.folder, encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
