// What editors and compilers see of the packed package.
import { test } from "@playwright/test";
import { Project, tarball } from "./project.ts";

const RESOLUTIONS = [
  { moduleResolution: "bundler", module: "ESNext" },
  { moduleResolution: "nodenext", module: "NodeNext" },
];

for (const options of RESOLUTIONS) {
  test(`types under moduleResolution ${options.moduleResolution}`, () => {
    using project = new Project();
    project.add("types.ts");
    // A plain library list and no skipLibCheck: the package's declarations bring what they need by themselves.
    const compilerOptions = {
      ...options,
      target: "ES2022",
      lib: ["ES2022", "DOM"],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
    };
    project.write("tsconfig.json", JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    project.runTool("typescript/bin/tsc", "-p", project.folder);
  });
}

test("publint finds nothing", () => {
  using project = new Project();
  project.runTool("publint/src/cli.js", "run", "--strict", project.path("node_modules/peerloom"));
});

test("the types fit the modules in every resolution (attw)", () => {
  using project = new Project();
  const flags = ["--profile", "esm-only", "--exclude-entrypoints", "peerloom_bg.wasm"];
  project.runTool("@arethetypeswrong/cli/dist/index.js", tarball(), ...flags);
});
