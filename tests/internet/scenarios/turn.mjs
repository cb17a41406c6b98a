// Pages that reach each other by TURN alone: what becomes of them when its credentials expire, or a server of it dies.
import { TURN_SECRET } from "../lib/turn.mjs";

/** Shorter than any that are given out, so that a scenario need not wait. */
const LIFETIME_S = 20;
const PATH_MS = 60_000;

const pathOf = async (page, other) => (await page.run((page) => page.paths()))[other.id];

/** Waits until both ends have a path by TURN; gives when. */
async function comeToTurn(world, ends) {
  const have = async () => {
    const paths = await Promise.all(ends.map(([page, other]) => pathOf(page, other)));
    return paths.every((path) => path === "turn");
  };
  await world.until("a path by TURN", have, PATH_MS);
  return world.note("both have a path by TURN");
}

/** When an end has its first message that was sent since then and came by this path. */
async function cameBy(world, [page, other], path, since) {
  const find = async () =>
    (await page.arrivals(other)).find((one) => one.sentAt >= since && one.path === path)?.cameAt;
  return world.until(`${page.name} to hear ${other.name} by ${path}`, find, PATH_MS);
}

const latest = (times) => Math.max(...times);

const expired = (name, kind, title) => ({
  name,
  title,
  hosts: ["a", "b", "turn"],
  turn: kind === "coturn",
  limitMs: 150_000,
  async run(world) {
    // Each end needs a relay of its own: without UDP nothing else leads anywhere.
    for (const host of ["a", "b"]) await world.link(`drop-udp ${host} on`);
    const server = await world.startTurn("turn", { kind });
    const [{ urls }] = server.iceServers({ transport: "tcp" }).slice(-1);
    const turn = { urls, secret: TURN_SECRET, lifetimeS: LIFETIME_S };
    const { a, b } = await world.pair({ turn });
    const ends = [
      [a, b],
      [b, a],
    ];
    await comeToTurn(world, ends);
    const given = (page, since) => world.timeline.events(page.name, { type: "credentials" }, since);
    const expiry = () => latest([a, b].flatMap((page) => given(page).map(({ expires }) => expires)));
    // More of them may be given meanwhile.
    await world.until("all credentials to expire", () => Date.now() > expiry() + 1_000, 60_000);
    const asked = [a, b].map((page) => given(page).length);
    for (const [page, other] of ends)
      world.check((await pathOf(page, other)) === "turn", `${page.name} has lost its path before`);

    const since = await world.moveHost("b");
    const heard = await Promise.all(ends.map(([page, other]) => page.hearsWhatIsSent(other, since)));
    world.measure("gap", latest(heard.map(({ cameAt }) => cameAt)) - since, { promisedMs: 3_000 });
    // Of the old path nothing is left to come from b's new address.
    const again = await cameBy(world, [a, b], "turn", since);
    await comeToTurn(world, ends);
    world.measure("a path by TURN again after", latest([again, Date.now()]) - since);
    for (const [index, [page, other]] of ends.entries()) {
      const anew = given(page, since).length;
      world.measures.push(
        `${page.name} was asked for credentials ${asked[index]} times before, ${anew} after`,
      );
      const candidates = await page.run((page, peer) => page.candidates(peer), other.id);
      world.check(candidates === "relay relay", `${page.name} goes by ${candidates}`);
    }
    await world.sleep(2_000);
    await world.settle();
  },
});

const killed = (name, title, relay) => ({
  name,
  title,
  hosts: ["a", "b", "turn", "spare"],
  limitMs: 150_000,
  async run(world) {
    await world.link("nat a symmetric 10.77.0.200");
    await world.link("nat b symmetric 10.77.0.201");
    const servers = {};
    for (const host of ["turn", "spare"]) {
      const server = await world.startTurn(host, { kind: "peerloom" });
      servers[world.hosts[host].address] = { host, ...server };
    }
    const iceServers = Object.values(servers).flatMap((one) => one.iceServers({ transport: "udp" }));
    const { a, b } = await world.pair({ options: { iceServers, relay } });
    const ends = [
      [a, b],
      [b, a],
    ];
    await comeToTurn(world, ends);
    await world.sleep(3_000);
    const [used] = await a.run((page, peer) => page.relays(peer), b.id);
    world.check(used in servers, `a's path leads by ${used}, which is no TURN server`);

    const since = world.note(`the TURN server at ${servers[used].host} is killed`);
    await servers[used].kill();
    if (relay === "first") {
      const heard = await Promise.all(ends.map((end) => cameBy(world, end, "relay", since)));
      world.measure("messages go by the signaling server after", latest(heard) - since, {
        promisedMs: 1_500,
      });
    } else {
      for (const [page, other] of ends) {
        const { at } = await page.sees(other, "suspended", { since });
        world.measure(`${page.name} sees ${other.name} suspended after`, at - since, { promisedMs: 4_000 });
      }
    }
    const heard = await Promise.all(ends.map((end) => cameBy(world, end, "turn", since + 1_000)));
    world.measure("a path by the other TURN server after", latest(heard) - since);
    await comeToTurn(world, ends);
    await world.sleep(2_000);
    for (const [page, other] of ends) {
      const relays = await page.run((page, peer) => page.relays(peer), other.id);
      world.check(!relays.includes(used), `${page.name} still goes by the one that was killed`);
      world.check(!page.statesOf(other, since).includes("left"), `${page.name} saw ${other.name} leave`);
    }
    await world.settle();
  },
});

export default [
  expired(
    "turn-credentials",
    "peerloom",
    "F22: TURN alone, credentials have expired, b's address changes: on by TURN with fresh ones, nothing lost",
  ),
  expired("turn-credentials-coturn", "coturn", "F22: the same with coturn"),
  killed(
    "turn-killed",
    "F23: TURN alone, by one of two servers, which is killed: through the signaling server at once, then by the other, nothing lost",
    "first",
  ),
  killed(
    "turn-killed-no-relay",
    "F23: the same with relay: never, where only the other server can help",
    "never",
  ),
];
