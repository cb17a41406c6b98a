// What a page finds out about its connections, and what it says about them.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AttemptReport, CandidateKinds, Finding, Report, RoomEvents } from "peerloom";
import { readAttempts, readJoining } from "../../sdk/dist/diagnose.js";
import { type Evidence, explain } from "../../sdk/dist/explain.js";
import { natOf, places } from "../../sdk/dist/nat.js";
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
    expect(alone.joining?.joinedMs).toBeGreaterThanOrEqual(alone.joining?.webSocketMs ?? Number.NaN);
    expect(alone.udp).toBe(asks ? true : undefined);
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
    const { iceMs = -1, connectedMs = -1, openMs = -1, heardMs = -1 } = attempt ?? {};
    // Channels may open a moment before the browser says that it is connected.
    expect([iceMs >= 0, connectedMs >= iceMs, openMs >= iceMs, heardMs >= openMs]).toEqual(
      Array(4).fill(true),
    );
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
      // The browser takes no such address, and throws.
      odd: await ask([{ urls: "stun:a b" }]),
    };
  });
  expect(found.refused).toEqual(["turn-auth-failed", 401]);
  expect(found.absent[0]).toBe("turn-unreachable");
  expect(found.nothing[0]).toBe("udp-blocked");
  expect(found.odd).toEqual(["udp-blocked", undefined]);
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

test("errors of a room, and of a peer that cannot be reached, find out what stands in the way", async ({
  open,
  room,
}) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  const unreachable = await a.run(({ peerloom }) =>
    peerloom
      .join("http://127.0.0.1:9", { room: "nobody", timeoutMs: 1_000 })
      .catch((error) => error.diagnose().then(({ finding, joining }: Report) => ({ finding, joining }))),
  );
  expect(unreachable).toMatchObject({
    finding: "signaling-unreachable",
    joining: { begunAgo: expect.any(Number) },
  });
  expect(unreachable).not.toHaveProperty("joining.joinedMs");

  await a.join(room);
  await a.run(({ state }) => {
    const told = new Promise((resolve) => state.room.on("error", resolve));
    Object.assign(state, { told });
  });
  await b.run(({ joinThings, peerloom }, name) => joinThings(name, peerloom.channel()), room);
  const report = await a.run(async ({ state }) => {
    const { error } = await (state as unknown as { told: Promise<RoomEvents["error"]> }).told;
    // Also when the room is over.
    await state.room.leave();
    return error.diagnose?.();
  });
  expect(report).toMatchObject({ finding: "refused", error: "protocol-mismatch", path: "connecting" });
});

test("that there is no path is told, and the reason is found out", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  for (const peer of [a, b]) await peer.run(({ faults }) => faults.refuseConnections());
  await a.join(room, { relay: "never" });
  await a.run(({ state }) => {
    const told = new Promise((resolve) => state.room.on("error", resolve));
    Object.assign(state, { told });
  });
  await b.join(room, { relay: "never" });
  const report = await a.run(async ({ state }) => {
    const { error } = await (state as unknown as { told: Promise<RoomEvents["error"]> }).told;
    return error.diagnose?.();
  });
  expect(report?.error).toBe("no-path");
  expect(report?.attempts.length).toBeGreaterThan(0);
  // The cause is the test's: descriptions are refused.
  expect(report?.cause).not.toBe("");
  expect(await a.happenings("undelivered")).toEqual([]);
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
  nat?: Evidence["nat"],
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
  return explain({ online: true, hasWebRtc: true, server, iceServers, peer, ...(nat && { nat }) }).finding;
}

test("what was tried comes to one cause", () => {
  const host = { host: true, ipv4: true };
  const [srflx, relay] = [{ ...host, srflx: true }, { relay: true }];
  const ofV6 = { host: true, srflx: true, ipv6: true };
  const stun = { url: "stun:a", ms: 20 };
  const turn = { url: "turn:a?transport=udp", ms: 20 };
  expect(failed(srflx, srflx, {}, [stun])).toBe("nat-no-turn");
  expect(failed(host, host)).toBe("no-stun");
  expect(failed({ hidden: true }, { hidden: true })).toBe("mdns-unresolved");
  expect(failed(srflx, {}, {}, [stun])).toBe("peer-silent");
  expect(failed(srflx, srflx, {}, [stun], "symmetric")).toBe("symmetric-nat-no-turn");
  expect(failed(srflx, srflx, {}, [stun], "cone")).toBe("nat-no-turn");
  expect(failed(srflx, ofV6, {}, [stun])).toBe("no-common-family");
  expect(failed(srflx, host, {}, [stun, turn])).toBe("peer-needs-turn");
  expect(failed({ ...srflx, ...relay }, host, {}, [stun, turn])).toBe("peer-needs-turn");
  expect(failed({ ...srflx, ...relay }, { ...srflx, ...relay }, {}, [stun, turn])).toBe("unknown");
  expect(failed(srflx, srflx, { connectedMs: 300 }, [stun])).toBe("dtls-failed");
  expect(failed(host, srflx, {}, [{ url: "stun:a", error: 701 }])).toBe("udp-blocked");
  expect(failed(srflx, srflx, {}, [stun, { url: "turn:a", error: 401 }])).toBe("turn-auth-failed");
  expect(failed(srflx, srflx, {}, [stun, { url: "turn:a", error: 701 }])).toBe("turn-unreachable");
});

test("of clocks that differ it is told where something made with them is refused", () => {
  const found = (clockAheadMs: number, more: Partial<Evidence> = {}) =>
    explain({
      online: true,
      hasWebRtc: true,
      server: { url: "https://a", httpMs: 1, webSocketMs: 1, clockAheadMs },
      iceServers: [],
      ...more,
    });
  const refused = { iceServers: [{ url: "turn:a", error: 401 }] };
  const error = { code: "unauthorized", message: "the token is expired" };
  const peer = { path: "connecting" as const, attempts: [], error };
  expect(found(600_000).finding).toBe("alone");
  expect(found(600_000, refused)).toMatchObject({ finding: "clock-skew", confidence: "likely" });
  expect(found(600_000, refused).cause).toContain("10 minutes ahead");
  expect(found(-600_000, { peer }).cause).toContain("10 minutes behind");
  expect(found(30_000, refused).finding).toBe("turn-auth-failed");
  expect(found(0, { peer }).finding).toBe("refused");
});

test("an address translator is known by what two servers see", () => {
  const seen = (port: number, priority = 100 << 13, more = {}) =>
    ({ type: "srflx", address: "192.0.2.1", port, priority, relatedPort: 0, ...more }) as RTCIceCandidate;
  expect(natOf([seen(5_000)])).toBe("cone");
  expect(natOf([seen(5_000), seen(5_000, (100 << 13) + 1)])).toBe("cone");
  expect(natOf([seen(5_000), seen(5_001, (100 << 13) + 1)])).toBe("symmetric");
  // Of two sockets, by one server each, or by addresses of the other family.
  expect(natOf([seen(5_000), seen(5_001, 200 << 13)])).toBe("cone");
  expect(natOf([seen(5_000), seen(5_001, 100 << 13, { relatedPort: 7 })])).toBe("cone");
  expect(natOf([seen(5_000), seen(5_001, 100 << 13, { address: "2001:db8::1" })])).toBe("cone");
});

test("it takes two places to ask", () => {
  expect(places([])).toEqual([]);
  expect(places(["turn:a", "stuns:a"])).toEqual([]);
  expect(places(["stun:a"])).toEqual(["stun:a", "stun:a:3479"]);
  expect(places(["stun:[2001:db8::1]:9", "stun:b", "stun:c"])).toEqual([
    "stun:[2001:db8::1]:9",
    "stun:[2001:db8::1]:10",
    "stun:b",
  ]);
  expect(places(["stun:a:65535", "stun:b"])).toEqual(["stun:a:65535", "stun:b"]);
});

test("numbers of the core become steps with times", () => {
  const [attempt] = readAttempts([1, 5_000, 4_990, 4_900, 4_800, -1, -1, -1, 1_000, 5 | 16, 8 | 32]);
  expect(attempt).toEqual({
    by: "offer",
    begunAgo: 5_000,
    describedMs: 10,
    answeredMs: 100,
    iceMs: 200,
    endedMs: 4_000,
    local: { ...NONE, host: true, srflx: true, ipv4: true },
    remote: { ...NONE, relay: true, ipv6: true },
  });
  expect(readAttempts([0, 1, 2])).toEqual([]);
  expect(readJoining([900, 880, -1])).toEqual({ begunAgo: 900, webSocketMs: 20 });
  expect(readJoining([-1, -1, -1])).toBeUndefined();
});
