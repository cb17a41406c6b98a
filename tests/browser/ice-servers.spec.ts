// STUN and TURN servers: the application's own, by an array or a function, or those that the signaling server names.
import { expect, test } from "./support/fixtures.js";

const TURN = { urls: "turn:127.0.0.1:9", username: "name", credential: "secret" };

test("a function gives them before anything is made, and again when the server is joined anew", async ({
  open,
  room,
  startServer,
}) => {
  const server = await startServer();
  const page = await open("chromium", { server });
  await page.run(
    async ({ peerloom, faults, kept }, [room, turn]) => {
      faults.watchConnections();
      let calls = 0;
      const iceServers = async () => [{ ...turn, username: `name ${++calls}` }];
      kept.names = () => faults.configurations().map(({ iceServers }) => iceServers?.[0]?.username);
      kept.room = await peerloom.join(location.origin, { room, iceServers });
    },
    [room, TURN] as const,
  );
  const names = () => page.run(({ kept }) => [...new Set((kept.names as () => (string | undefined)[])())]);
  expect(await names()).toEqual(["name 1"]);
  await server.kill();
  await server.start();
  await expect.poll(names).toContain("name 2");
});

test("when it fails, nothing is joined", async ({ open, room }) => {
  const page = await open("firefox");
  const told = await page.run(async ({ peerloom }, room) => {
    const attempt = async (iceServers: () => never | Promise<RTCIceServer[]>, timeoutMs: number) => {
      const error = await peerloom.join(location.origin, { room, iceServers, timeoutMs }).catch((e) => e);
      return [error.code, String(error.cause)];
    };
    const fails = () => {
      throw new Error("no account");
    };
    const hangs = () => new Promise<RTCIceServer[]>(() => {});
    return [await attempt(fails, 5_000), await attempt(hangs, 300)];
  }, room);
  expect(told).toEqual([
    ["ice-servers-failed", "Error: no account"],
    ["ice-servers-failed", "Error: no answer within 300 ms"],
  ]);
});

test("without a word of the application, pages that hide their addresses meet by the server's own TURN server", async ({
  open,
  room,
  startServer,
}) => {
  const flags = ["--stun", "127.0.0.1:0", "--turn", "--turn-allow-peers", "127.0.0.0/8"];
  const server = await startServer({ flags });
  const [a, b] = [await open("chromium", { server }), await open("chromium", { server })];
  await a.join(room, { privacy: "relay-only" });
  await b.join(room, { privacy: "relay-only" });
  const path = () => b.run(({ state }) => [...state.room.peers.values()][0]?.path);
  await expect.poll(path, { timeout: 15_000 }).toBe("turn");
  await b.note("by TURN");
  await expect.poll(() => a.notes()).toEqual([expect.stringContaining("by TURN")]);
  const report = await b.run(({ state }) => state.room.diagnose([...state.room.peers.values()][0]));
  expect(report).toMatchObject({ finding: "turn", path: "turn" });
  // The joiner's first connection could not know of the server: the next did, without waiting for the first to fail.
  const [first, second] = report.attempts;
  expect(first).toMatchObject({ by: "card", local: { relay: false } });
  expect(second).toMatchObject({ by: "offer", local: { relay: true }, openMs: expect.any(Number) });
});
