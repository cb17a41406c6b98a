// The texts that describe the package agree with it: the README's example compiles, and every error code is explained.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";
import { Project } from "./project.ts";

const document = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), "utf8");

/** The code blocks of a document in this language. */
function blocks(name: string, language: string): string[] {
  const all = document(name).matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"));
  return [...all].map(([, code]) => code ?? "");
}

/** Modules that examples import and this repository does not have. */
const STAND_INS = `
declare module "zod" {
  import type { StandardSchemaV1 } from "peerloom";
  type Schema<T> = StandardSchemaV1<unknown, T> & { max(n: number): Schema<T> };
  export const z: {
    object<S extends Record<string, Schema<unknown>>>(
      shape: S,
    ): Schema<{ [K in keyof S]: S[K] extends Schema<infer T> ? T : never }>;
    string(): Schema<string>;
    number(): Schema<number>;
  };
}
declare module "react" {
  export function useEffect(effect: () => (() => void) | void, dependencies: unknown[]): void;
  export function useState<T>(initial: T): [T, (next: T) => void];
}
`;

for (const name of ["README.md", "docs/guide.md", "docs/diagnosis.md"]) {
  test(`the TypeScript examples of ${name} compile`, () => {
    using project = new Project();
    const examples = blocks(name, "ts");
    expect(examples.length).toBeGreaterThan(0);
    for (const [index, code] of examples.entries()) project.write(`example-${index}.ts`, code);
    project.write("stand-ins.d.ts", STAND_INS);
    const compilerOptions = {
      module: "ESNext",
      moduleResolution: "bundler",
      moduleDetection: "force",
      target: "ES2022",
      lib: ["ES2022", "DOM", "DOM.Iterable"],
      types: [],
      strict: true,
      noEmit: true,
    };
    project.write("tsconfig.json", JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    project.runTool("typescript/bin/tsc", "-p", project.folder);
  });
}

test("docs/errors.md explains every error code, and no other", () => {
  using project = new Project();
  const types = readFileSync(project.path("node_modules/peerloom/dist/errors.d.ts"), "utf8");
  const union = /type ErrorCode =([^;]*);/.exec(types)?.[1] ?? "";
  const codes = [...union.matchAll(/"([a-z-]+)"/g)].map(([, code]) => code);
  const explained = [...document("docs/errors.md").matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code);
  expect(codes.length).toBeGreaterThan(20);
  expect(explained.sort()).toEqual(codes.sort());
});
