// What a page finds out about its connections, and what it says about them.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AttemptReport, CandidateKinds, Finding } from "peerloom";
import { type Evidence, explain } from "../../sdk/dist/explain.js";
import { expect, test } from "./support/fixtures.js";

const RELAYING = ["--stun", "127.0.0.1:0", "--turn", "--turn-allow-peers", "127.0.0.0/8"];

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: alone in a room, the servers are looked at, and with a peer the way to it`, async ({
    open,
    room,
    startServer,
  }) => {
    // Firefox asks no server at a loopback address; the small internet has others.
    const asks = browser === "chromium";
    const server = await startServer({ flags: asks ? RELAYING : [] });
    const a = await open(browser, { server });
    await a.join(room);
    const alone = await a.run(({ state }) => state.room.diagnose());
    expect(alone).toMatchObject({ finding: "alone", confidence: "certain", attempts: [] });
    expect(alone.server).toMatchObject({ httpMs: expect.any(Number), webSocketMs: expect.any(Number) });
    expect(Math.abs(alone.server.clockAheadMs ?? 0)).toBeLessThan(2_000);
    expect(alone.iceServers.map(({ url }) => url.split(":")[0])).toEqual(
      asks ? ["stun", "turn", "turn"] : [],
    );
    for (const { ms } of alone.iceServers) expect(ms).toBeGreaterThan(0);
    const b = await open("chromium", { server });
    await b.join(room);
    await expect.poll(() => a.run(({ state }) => [...state.room.peers.values()][0]?.path)).toBe("direct");
    const found = await a.run(({ state }) => state.room.diagnose([...state.room.peers.values()][0]));
    expect(found).toMatchObject({ finding: "direct", path: "direct" });
    const [attempt] = found.attempts as AttemptReport[];
    expect(attempt).toMatchObject({
      by: "card",
      openMs: expect.any(Number),
      connectedMs: expect.any(Number),
    });
    expect(attempt?.local.host || attempt?.local.hidden).toBe(true);
    expect(JSON.stringify(found)).not.toContain("credential");
    expect(JSON.stringify(found.attempts)).not.toMatch(/\d+\.\d+\.\d+\.\d+|::|\.local/);
  });
}

test("a TURN server that refuses, and one that is not there", async ({ open, room, startServer }) => {
  const server = await startServer({ flags: RELAYING });
  const page = await open("chromium", { server });
  await page.join(room);
  const found = await page.run(async ({ peerloom, state }) => {
    const known = (await state.room.diagnose()).iceServers.map(({ url }) => url);
    const stun = { urls: known.find((url) => url.startsWith("stun")) ?? "" };
    const turn = known.find((url) => url.endsWith("udp")) ?? "";
    const ask = async (iceServers: RTCIceServer[]) => {
      const { finding, iceServers: asked } = await peerloom.diagnose(location.origin, { iceServers });
      return [finding, asked.at(-1)?.error];
    };
    const wrong = { username: "1:nobody", credential: "wrong" };
    return {
      refused: await ask([stun, { urls: turn, ...wrong }]),
      absent: await ask([stun, { urls: "turn:127.0.0.1:9?transport=tcp", ...wrong }]),
      nothing: await ask([{ urls: "stun:127.0.0.1:9" }]),
    };
  });
  expect(found.refused).toEqual(["turn-auth-failed", 401]);
  expect(found.absent[0]).toBe("turn-unreachable");
  expect(found.nothing[0]).toBe("udp-blocked");
});

test("a server that is not there, and one behind something that takes no WebSocket", async ({ open }) => {
  const page = await open("firefox");
  const web = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
  const url = () => `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  await expect.poll(() => web.listening).toBe(true);
  const ask = (url: string) =>
    page.run(({ peerloom }, url) => peerloom.diagnose(url).then(({ finding }) => finding), url);
  const address = url();
  expect(await ask(address)).toBe("websocket-blocked");
  web.closeAllConnections();
  await new Promise((closed) => web.close(closed));
  expect(await ask(address)).toBe("signaling-unreachable");
  const bad = await page.run(({ peerloom }) => peerloom.diagnose("ftp://a").catch(({ code }) => code));
  expect(bad).toBe("bad-url");
});

const NONE: CandidateKinds = {
  host: false,
  hidden: false,
  srflx: false,
  relay: false,
  ipv4: false,
  ipv6: false,
};

/** What is made of an attempt that failed, with these candidates at both ends. */
function failed(
  local: Partial<CandidateKinds>,
  remote: Partial<CandidateKinds>,
  more: Partial<AttemptReport> = {},
  iceServers: Evidence["iceServers"] = [],
): Finding {
  const kinds = { local: { ...NONE, ...local }, remote: { ...NONE, ...remote } };
  const attempt: AttemptReport = {
    by: "card",
    begunAgo: 60_000,
    describedMs: 5,
    answeredMs: 100,
    endedMs: 8_000,
    ...kinds,
    ...more,
  };
  const server = { url: "https://a", httpMs: 1, webSocketMs: 1 };
  const peer = { path: "relay" as const, attempts: [attempt] };
  return explain({ online: true, hasWebRtc: true, server, iceServers, peer }).finding;
}

test("what was tried comes to one cause", () => {
  const [host, srflx, relay] = [{ host: true }, { host: true, srflx: true }, { relay: true }];
  const stun = { url: "stun:a", ms: 20 };
  const turn = { url: "turn:a?transport=udp", ms: 20 };
  expect(failed(srflx, srflx, {}, [stun])).toBe("nat-no-turn");
  expect(failed(host, host)).toBe("no-stun");
  expect(failed({ hidden: true }, { hidden: true })).toBe("mdns-unresolved");
  expect(failed(srflx, {}, {}, [stun])).toBe("peer-silent");
  expect(failed(srflx, host, {}, [stun, turn])).toBe("nat-no-turn");
  expect(failed({ ...srflx, ...relay }, host, {}, [stun, turn])).toBe("peer-needs-turn");
  expect(failed({ ...srflx, ...relay }, { ...srflx, ...relay }, {}, [stun, turn])).toBe("unknown");
  expect(failed(srflx, srflx, { connectedMs: 300 }, [stun])).toBe("dtls-failed");
  expect(failed(host, srflx, {}, [{ url: "stun:a", error: 701 }])).toBe("udp-blocked");
  expect(failed(srflx, srflx, {}, [stun, { url: "turn:a", error: 401 }])).toBe("turn-auth-failed");
  expect(failed(srflx, srflx, {}, [stun, { url: "turn:a", error: 701 }])).toBe("turn-unreachable");
});
