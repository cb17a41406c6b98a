// The packed package outside a browser.
import { expect, test } from "@playwright/test";
import { Project } from "./project.ts";

test("importing it in Node touches nothing", () => {
  using project = new Project();
  project.add("import.mjs");
  expect(project.run(process.execPath, "import.mjs")).toBe("imported\n");
});
