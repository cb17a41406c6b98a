// The page that finds out what stands in the way of connections, as somebody opens it who was asked to.
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mayLackFirefox } from "./support/browsers.ts";
import { LOOKS, Visitor } from "./support/demo.ts";
import { expect, test } from "./support/fixtures.ts";
import { program, Server } from "./support/server.ts";

const RELAYING = ["--stun", "127.0.0.1:0", "--turn", "--turn-allow-peers", "127.0.0.0/8"];
const PERMISSIONS = { permissions: ["clipboard-read", "clipboard-write"] };

/** A port of this machine at which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

/** The state of each check that the page shows. */
const states = (checks: readonly { key: string | undefined; state: string | undefined }[]) =>
  checks.map(({ key, state }) => `${key} ${state}`);
/** Runs in the page. */
const readChecks = () =>
  [...document.querySelectorAll<HTMLElement>("[data-testid=check]")].map(({ dataset }) => ({
    key: dataset.check,
    state: dataset.state,
  }));

/** What a probe leaves in the console is no problem: it asks for a WebSocket by http, and is refused. */
const problems = (visitor: Visitor) =>
  visitor.problems.filter((text) => !/status of 40\d|\/ws: 40\d$/.test(text));

test("every check is shown, with what it took, and the report can be copied", async ({ browser }) => {
  await using server = await Server.start({ flags: RELAYING });
  await using room = await Visitor.open(browser, server.url);
  const link = await room.page.getByRole("link", { name: "Connection trouble?" }).getAttribute("href");
  await using ada = await Visitor.open(browser, new URL(link ?? "", server.url).href, PERMISSIONS);
  await expect(ada.get("finding")).toHaveText("alone");
  await expect(ada.get("cause")).toHaveText("Nothing stands in the way here.");
  await expect(ada.get("verdict")).toContainText("This is certain.");
  await expect(ada.get("server-address")).toHaveText(server.url);
  const checks = states(await ada.page.evaluate(readChecks));
  // The two ports of STUN are not both given here.
  const known = checks.filter((check) => !check.startsWith("nat "));
  expect(known).toEqual([
    "http ok",
    "websocket ok",
    "joining ok",
    "clock ok",
    "ice ok",
    "ice ok",
    "ice ok",
    "udp ok",
    "browser ok",
  ]);
  expect(checks.filter((check) => check.startsWith("nat "))).toHaveLength(1);
  for (const key of ["http", "websocket", "joining"]) {
    await expect(ada.page.locator(`[data-check=${key}] .check-ms`)).toHaveText(/\d\sms$/);
  }
  await expect(ada.page.locator("#command")).toHaveText(`npx peerloom doctor ${server.url}`);

  await ada.tabTo(ada.get("copy-report"));
  await ada.page.keyboard.press("Enter");
  const copied = () => ada.page.evaluate(() => navigator.clipboard.readText());
  await expect.poll(copied).toContain("Finding: alone (certain)");
  const text = await copied();
  expect(JSON.parse(text.slice(text.indexOf("\n{")))).toMatchObject({ finding: "alone", udp: true });
  expect(text).not.toMatch(/credential|username/);

  // It has left its room again, and looks once more when it is asked to.
  const busy = () => ada.page.locator("main").getAttribute("aria-busy");
  await ada.get("again").click();
  await expect.poll(busy).toBe("false");
  await expect(ada.get("finding")).toHaveText("alone");
  expect(problems(ada)).toEqual([]);
});

test("in Firefox every check is shown too", async ({ firefox }, testInfo) => {
  testInfo.skip(mayLackFirefox, "no Firefox here");
  await using server = await Server.start({ flags: ["--stun", "127.0.0.1:0"] });
  const context = await (await firefox()).createBrowserContext();
  const page = await context.newPage();
  try {
    await page.goto(`${server.url}/diagnose.html`);
    const finding = () => page.evaluate(() => document.querySelector("[data-testid=finding]")?.textContent);
    await expect.poll(finding).toBe("alone");
    expect(states(await page.evaluate(readChecks))).toEqual([
      "http ok",
      "websocket ok",
      "joining ok",
      "clock ok",
      // Firefox asks no STUN server at a loopback address, so nothing is wrong.
      "ice unknown",
      "udp unknown",
      "nat unknown",
      "browser ok",
    ]);
    await page.goto(`${server.url}/diagnose.html?server=http://127.0.0.1:${await closedPort()}`);
    await expect.poll(finding).toBe("signaling-unreachable");
    expect(states(await page.evaluate(readChecks)).slice(0, 3)).toEqual([
      "http failed",
      "websocket failed",
      "joining unknown",
    ]);
  } finally {
    await context.close();
  }
});

test("a server that is not there, and an address that is none", async ({ browser }) => {
  await using server = await Server.start();
  const away = `http://127.0.0.1:${await closedPort()}`;
  await using ada = await Visitor.open(browser, `${server.url}/diagnose.html?server=${away}`);
  await expect(ada.get("finding")).toHaveText("signaling-unreachable");
  await expect(ada.get("cause")).toHaveText("The signaling server does not answer.");
  await expect(ada.get("server-address")).toHaveText(away);
  await expect(ada.page.locator("[data-check=http]")).toHaveAttribute("data-state", "failed");
  await ada.expectAccessible();

  for (const bad of ["javascript:alert(1)", "file:///etc/passwd", "rooms.example"]) {
    await ada.page.goto(`${server.url}/diagnose.html?server=${encodeURIComponent(bad)}`);
    await expect(ada.get("cause")).toContainText("must begin with https");
    await expect(ada.page.getByTestId("check")).toHaveCount(0);
  }
  // Names and passwords are not passed on, to nobody.
  const named = away.replace("//", "//name:password@");
  await ada.page.goto(`${server.url}/diagnose.html?server=${encodeURIComponent(named)}`);
  await expect(ada.get("finding")).toHaveText("signaling-unreachable");
  await expect(ada.get("server-address")).toHaveText(away);
});

test("a server that lets in only who brings a token", async ({ browser }, testInfo) => {
  const keys = testInfo.outputPath("keys.json");
  execFileSync(program, ["token", "--key", keys, "--room", "any"]); // Makes them.
  await using server = await Server.start({ flags: ["--token-keys", keys] });
  await using ada = await Visitor.open(browser, `${server.url}/diagnose.html`);
  await expect(ada.get("cause")).toContainText("only who brings a token");
  await expect(ada.page.locator("[data-check=joining]")).toHaveAttribute("data-state", "unknown");
});

for (const [title, options] of LOOKS) {
  test(`${title}: axe finds nothing, nothing is cut off`, async ({ browser }) => {
    await using server = await Server.start({ flags: RELAYING });
    await using ada = await Visitor.open(browser, `${server.url}/diagnose.html`, options);
    await expect(ada.get("finding")).toHaveText("alone");
    await ada.expectAccessible();
    await ada.expectNoSidewaysScroll();
    expect(problems(ada)).toEqual([]);
  });
}
