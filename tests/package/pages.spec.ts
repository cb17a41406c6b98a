// The packed package in a page, by each way it gets there: plain ES modules, Vite, webpack, and the one-file variant.
import { rmSync } from "node:fs";
import { test } from "@playwright/test";
import { build } from "vite";
import webpack from "webpack";
import { expectConversation } from "./conversation.ts";
import { Project } from "./project.ts";
import { serveFiles } from "./servers.ts";

test("plain ES modules with an import map", async ({ browser }) => {
  using project = new Project();
  project.add("page.js");
  project.add("plain.html", "index.html");
  await using files = await serveFiles(project.folder);
  await expectConversation(browser, files.url);
});

test("built by Vite, with no plugin, under a strict content security policy", async ({ browser }) => {
  using project = new Project();
  project.add("page.js");
  project.add("bundled.html", "index.html");
  await build({ root: project.folder, configFile: false, logLevel: "error", build: { target: "es2022" } });
  const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src *";
  await using files = await serveFiles(project.path("dist"), { "content-security-policy": policy });
  await expectConversation(browser, files.url);
});

test("built by webpack, with no loader", async ({ browser }) => {
  using project = new Project();
  project.add("page.js");
  project.add("bundled.html", "index.html");
  const compiler = webpack({
    mode: "production",
    context: project.folder,
    entry: "./page.js",
    output: { path: project.path("dist"), filename: "page.js" },
  });
  const stats = await new Promise<webpack.Stats>((done, failed) => {
    compiler?.run((error, result) => (result ? done(result) : failed(error)));
  });
  if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
  project.add("bundled.html", "dist/index.html");
  await using files = await serveFiles(project.path("dist"));
  await expectConversation(browser, files.url);
});

test("the one-file variant needs no other file", async ({ browser }) => {
  using project = new Project();
  project.add("page.js");
  project.add("inline.html", "index.html");
  rmSync(project.path("node_modules/peerloom/dist/wasm/peerloom_bg.wasm"));
  await using files = await serveFiles(project.folder);
  await expectConversation(browser, files.url);
});
