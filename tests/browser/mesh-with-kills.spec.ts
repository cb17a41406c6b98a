// F28: a mesh in which pages crash all the time, and others come in their place. Whoever stays agrees on who is there,
// loses nothing, and keeps no connection of the dead.
//
// PEERLOOM_MESH_ROUNDS=30 makes it the five minutes that are promised; three rounds are for every day.
import { type Browser, chromium } from "@playwright/test";
import { chromiumFlags, chromiumPath } from "./support/browsers.ts";
import { expect, type Peer, test } from "./support/fixtures.ts";

const SIZE = 16;
const KILLED = 4;
const ROUNDS = Number(process.env.PEERLOOM_MESH_ROUNDS ?? 3);
const ROUND_MS = 10_000;
/** Within this all agree once nobody is killed any more, and the room that tests have beside it. */
const QUIET_MS = 12_000;
/** Unless one crashed while it was on its way back to the server: all wait for it then, as for anybody who is away. */
const AWAY_MS = 65_000;
const HEADROOM = 3;
/** Connections with nobody at the other end, which wait for newcomers. */
const WAITING = 2;

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Numbers from 0 to `below`, the same for the same seed. */
function chance(seed: number): (below: number) => number {
  let word = seed | 1;
  return (below) => {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    return (word >>> 0) % below;
  };
}

/** What a page has sent to and heard from each other page, by id. */
interface Account {
  sent: Record<string, number>;
  heard: Record<string, number>;
  wrong: string[];
  left: string[];
  /** What it was told of others and of the server, for people who read of a failure. */
  story: string[];
}

/** Joins, and sends a number to every other page all the time: 1, 2, 3 and so on to each. */
async function talk(peer: Peer, room: string): Promise<void> {
  await peer.run((h) => h.faults.watchConnections());
  await peer.join(room, { unheard: true });
  await peer.run((h) => {
    const { room } = h.state;
    const account: Account = { sent: {}, heard: {}, wrong: [], left: [], story: [] };
    room.json.on(({ from: { id }, data }) => {
      const due = (account.heard[id] ?? 0) + 1;
      if (data !== due) account.wrong.push(`${data} instead of ${due} from ${id}`);
      account.heard[id] = data as number;
    });
    const tell = (what: string) => account.story.push(`${new Date().toISOString().slice(14, -1)} ${what}`);
    room.on("signaling", ({ state }) => tell(`server ${state}`));
    room.on("peer", ({ peer, state }) => {
      tell(`${peer.id} ${state}`);
      if (state === "left") account.left.push(peer.id);
    });
    const timer = setInterval(() => {
      for (const { id } of room.peers.values()) {
        const next = (account.sent[id] ?? 0) + 1;
        account.sent[id] = next;
        // It may leave just now; whoever stays must have it.
        room.json.send(next, { to: id }).catch(() => {});
      }
    }, 250);
    Object.assign(h.kept, { account, timer });
  });
}

const members = (peer: Peer) => peer.run((h) => [...h.state.room.peers.keys()]);
const accountOf = (peer: Peer) => peer.run((h) => h.kept.account as Account);

test(`${SIZE} pages, of which ${KILLED} crash every ${ROUND_MS / 1_000} s, ${ROUNDS} times`, async ({
  open,
  room,
  seed,
  browser,
}) => {
  test.setTimeout(180_000 + AWAY_MS + ROUNDS * 3 * ROUND_MS);
  const random = chance(seed);
  const launch = () =>
    chromium.launch({
      ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
      args: chromiumFlags,
    });
  const [second, third] = [await launch(), await launch()];
  const browsers: Browser[] = [browser, second, third];
  try {
    let opened = 0;
    const arrive = async () => {
      const within = browsers[opened++ % browsers.length] as Browser;
      const peer = await open("chromium", { within });
      await talk(peer, room);
      return peer;
    };
    let alive: Peer[] = [];
    for (let n = 0; n < SIZE; n += 1) alive.push(await arrive());

    let promised = QUIET_MS;
    for (let round = 0; round < ROUNDS; round += 1) {
      const end = Date.now() + ROUND_MS;
      const killed = Array.from({ length: KILLED }, () => alive.splice(random(alive.length), 1)[0] as Peer);
      const away = await Promise.all(
        killed.map(async (peer) => {
          const server = await peer.run((h) => h.state.room.signaling);
          await peer.crash();
          return server !== "connected";
        }),
      );
      if (away.includes(true)) promised = AWAY_MS;
      alive = alive.concat(await Promise.all(killed.map(arrive)));
      await sleep(Math.max(0, end - Date.now()));
    }

    const quiet = Date.now();
    const ids = alive.map(({ id }) => id);
    /** What a page was told of those it is wrong about; nothing when it is right. */
    const disagreement = async (peer: Peer) => {
      const others = new Set(ids.filter((id) => id !== peer.id));
      const seen = new Set(await members(peer));
      const wrong = [...others, ...seen].filter((id) => others.has(id) !== seen.has(id));
      if (wrong.length === 0) return [];
      const { story } = await accountOf(peer);
      return [
        `${peer.id} is wrong about ${wrong}`,
        ...story.filter((line) => ["server", ...wrong].some((who) => line.includes(who))),
      ];
    };
    const disagreements = async () => (await Promise.all(alive.map(disagreement))).flat();
    await expect
      .poll(disagreements, { timeout: promised + (HEADROOM - 1) * QUIET_MS, intervals: [250] })
      .toEqual([]);
    console.log(`all agree ${Date.now() - quiet} ms after the last ones came (promised ${promised})`);

    await Promise.all(alive.map((peer) => peer.run((h) => clearInterval(h.kept.timer as number))));
    const missing = async () => {
      const accounts = await Promise.all(alive.map(accountOf));
      return accounts.flatMap(({ sent }, from) =>
        accounts
          .map(({ heard }, to) => ({ to, lacks: (sent[ids[to] ?? ""] ?? 0) - (heard[ids[from] ?? ""] ?? 0) }))
          .filter(({ lacks }) => lacks !== 0)
          .map(({ to, lacks }) => `${ids[to]} lacks ${lacks} from ${ids[from]}`),
      );
    };
    await expect.poll(missing).toEqual([]);
    for (const { wrong, left, sent } of await Promise.all(alive.map(accountOf))) {
      expect(wrong).toEqual([]);
      expect(left.filter((id) => ids.includes(id))).toEqual([]);
      expect(Object.keys(sent).length).toBeGreaterThanOrEqual(SIZE - 1);
    }

    const connections = () => Promise.all(alive.map((peer) => peer.run((h) => h.faults.openConnections())));
    await expect.poll(connections).toEqual(alive.map(() => SIZE - 1 + WAITING));
    await Promise.all(alive.map((peer) => peer.leave()));
    await expect.poll(connections).toEqual(alive.map(() => 0));
  } finally {
    await Promise.all([second.close(), third.close()]);
  }
});
