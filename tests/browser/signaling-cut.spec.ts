// Two pages meet, and the server dies behind one message of theirs: the first, the second, and so on. When it is back
// they meet, and what they sent meanwhile arrives.
import { CuttingProxy } from "./support/cutting-proxy.ts";
import { type BrowserName, expect, type Peer, test } from "./support/fixtures.ts";

type Pair = [resident: BrowserName, newcomer: BrowserName];
const CHROMIUMS: Pair = ["chromium", "chromium"];
const FIREFOX_SECOND: Pair = ["chromium", "firefox"];
const FIREFOX_FIRST: Pair = ["firefox", "chromium"];

const WAYS = [
  // Everything waits for the direct path, so that no message through the proxy is but one of the meeting.
  { way: "cards", relay: "never", pairs: [CHROMIUMS, FIREFOX_SECOND, FIREFOX_FIRST] },
  { way: "offer and answer", relay: "never", pairs: [CHROMIUMS, FIREFOX_SECOND] },
  { way: "cards while they talk through the server", relay: "first", pairs: [FIREFOX_SECOND] },
] as const;

/** More messages than any meeting takes, lest a test go on for ever. */
const MOST = 60;
/** From the server's return to the direct path. Machines are shared: three times as long is a failure. */
const PROMISED_MS = 3_000;
/** Two wait for newcomers, one leads to the other page. */
const CONNECTIONS = 3;

test.use({ plainAddresses: true });
test.describe.configure({ mode: "parallel" });

/** Joins, and sends numbers to everyone it meets, all the time. */
function joinAndTalk(peer: Peer, room: string, relay: "first" | "never"): Promise<void> {
  return peer.joinWith(
    async ({ joinRoom, state, kept }, joining) => {
      // A page that the server let in, and died before it could tell, never comes back under that id: the other page gives
      // it up after this time.
      await joinRoom({ ...joining, resume: false, peerTimeoutMs: 5_000 });
      const { room: joined } = state;
      const sent: Record<string, number> = {};
      kept.sent = sent;
      kept.talking = setInterval(() => {
        for (const to of joined.peers.values()) {
          const n = sent[to.id] ?? 0;
          sent[to.id] = n + 1;
          joined.json.send(n, { to }).catch(() => {});
        }
      }, 20);
    },
    { room, relay },
  );
}

/** Sends no more; gives the numbers that were sent to the other page. */
async function stopTalking(peer: Peer, other: Peer): Promise<number[]> {
  const sent = await peer.run(({ kept }, other) => {
    clearInterval(kept.talking as number);
    return (kept.sent as Record<string, number>)[other] ?? 0;
  }, other.id);
  return Array.from({ length: sent }, (_, n) => n);
}

const heard = async (peer: Peer, other: Peer) =>
  (await peer.received("json")).filter(({ from }) => from === other.id).map(({ data }) => data);

async function expectDirect(a: Peer, b: Peer): Promise<void> {
  await expect.poll(async () => (await a.paths())[b.id]).toBe("direct");
  await expect.poll(async () => (await b.paths())[a.id]).toBe("direct");
}

const openConnections = (peer: Peer) => peer.run((h) => h.faults.openConnections());

for (const { way, relay, pairs } of WAYS) {
  for (const [first, second] of pairs) {
    test(`${first} and ${second} meet by ${way} though the server dies behind the k-th message, for every k`, async ({
      open,
      room,
      startServer,
    }) => {
      // Up to thirty meetings, each with a new server.
      test.setTimeout(300_000);
      const server = await startServer();
      await using proxy = await CuttingProxy.start(server.url);
      const [a, b] = [await open(first, { server: proxy }), await open(second, { server: proxy })];
      for (const peer of [a, b]) {
        await peer.run(async ({ faults, peerloom }, way) => {
          faults.watchConnections();
          if (way === "offer and answer") faults.refuseCards();
          await peerloom.load();
        }, way);
      }
      let k = 0;
      for (let died = true; died; ) {
        k += 1;
        expect(k).toBeLessThan(MOST);
        await joinAndTalk(a, `${room} ${k}`, relay);
        const cut = proxy.cutAfter(k);
        const met = joinAndTalk(b, `${room} ${k}`, relay).then(() => expectDirect(a, b));
        died = await Promise.race([cut.then(() => true), met.then(() => false)]);
        if (died) {
          await server.kill();
          await server.start();
        }
        const back = performance.now();
        proxy.mend();
        await met;
        const tookMs = performance.now() - back;
        expect(tookMs, `the server died behind message ${k}, ${await cut}`).toBeLessThan(3 * PROMISED_MS);
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const) {
          const sent = await stopTalking(from, to);
          await expect.poll(() => heard(to, from)).toEqual(sent);
          // Nothing is left of what was begun and not finished.
          await expect.poll(() => from.paths()).toEqual({ [to.id]: "direct" });
          await expect.poll(() => openConnections(from)).toBe(CONNECTIONS);
        }
        for (const peer of [a, b]) await peer.leave();
        for (const peer of [a, b]) await expect.poll(() => openConnections(peer)).toBe(0);
      }
      // A join, its answer, the news of it, and more.
      expect(k).toBeGreaterThan(4);
    });
  }
}
