// Which way messages take: directly, or through the server where there is no direct way.

const plain = {
  name: "join",
  title: "two hosts on an easy network meet: connected, and the first message, directly",
  async run(world) {
    const [a, b] = await Promise.all([world.open("a"), world.open("b")]);
    await a.join();
    const began = world.note("b joins");
    await b.join();
    await Promise.all([a.sees(b, "connected"), b.sees(a, "connected")]);
    const { cameAt, path } = await b.hears(a, 0);
    world.measure("b joins until the first message", cameAt - began, { promisedMs: 1_000 });
    world.measures.push(`the first message came by ${path}`);
    await world.sleep(1_000);
    const { path: later } = await b.hears(a, Date.now());
    world.check(later === "direct", `after a second messages come by ${later}`);
    await world.settle();
  },
};

const behindRouters = {
  name: "behind-a-router",
  title: "b is behind a router that lets in only answers, a is not: they meet directly",
  async run(world) {
    await world.link("nat b cone 10.77.0.200");
    const { a, b } = await world.pair();
    await world.sleep(1_000);
    const { path } = await b.hears(a, Date.now());
    world.check(path === "direct", `messages come by ${path}`);
    await world.settle();
  },
};

const ROUND_TRIP_MS = 100;

const blocked = {
  name: "udp-blocked",
  title:
    "b's network drops UDP from the start: the first message comes through the server, 3.2 round trips after joining",
  async run(world) {
    await world.link("drop-udp b on");
    const [a, b] = await Promise.all([world.open("a"), world.open("b")]);
    await world.link("set all delay=25");
    await a.join();
    await world.sleep(1_000);
    const began = world.note("b joins");
    await b.join();
    const { cameAt, path } = await b.hears(a, 0);
    const promisedMs = 3.2 * ROUND_TRIP_MS;
    world.measure("b joins until the first message", cameAt - began, { promisedMs });
    world.measures.push(`that is ${((cameAt - began) / ROUND_TRIP_MS).toFixed(2)} round trips`);
    world.check(path === "relay", `the first message came by ${path}`);
    await world.sleep(5_000);
    await world.settle();
  },
};

const noDirectWay = {
  name: "symmetric-routers",
  title: "both are behind routers with a port for every destination: messages go through the server",
  async run(world) {
    await world.link("nat a symmetric 10.77.0.200");
    await world.link("nat b symmetric 10.77.0.201");
    const { a, b } = await world.pair();
    const { path } = await b.hears(a, Date.now());
    world.check(path === "relay", `messages come by ${path}`);
    await world.sleep(15_000);
    await world.settle();
  },
};

const silentDeath = {
  name: "direct-path-dies",
  title: "UDP is dropped from now on while the server is there: traffic goes on within 1.5 s, nothing lost",
  async run(world) {
    const { a, b } = await world.pair();
    await world.sleep(3_000);
    const since = await world.link("drop-udp b on");
    const heard = await Promise.all([a.hearsWhatIsSent(b, since), b.hearsWhatIsSent(a, since)]);
    world.measure("gap", Math.max(...heard.map(({ cameAt }) => cameAt)) - since, { promisedMs: 1_500 });
    // Each end finds out by itself, so the first message may come before our own go another way.
    await world.sleep(1_000);
    for (const { path } of await Promise.all([a.hears(b, Date.now()), b.hears(a, Date.now())]))
      world.check(path === "relay", `messages come by ${path}`);
    await world.sleep(20_000);
    const back = await world.link("drop-udp b off");
    const direct = async () =>
      (await b.arrivals(a)).find(({ cameAt, path }) => cameAt > back && path === "direct");
    const { cameAt } = await world.until("a direct path", direct, 60_000);
    world.measure("direct again after", cameAt - back);
    await world.settle();
  },
};

/** Server and direct path are dead for 50 s, then one of them comes back. */
const bothDead = (name, title, kill, restore) => ({
  name,
  title,
  limitMs: 150_000,
  async run(world) {
    const { a, b } = await world.pair();
    await world.sleep(2_000);
    await kill(world);
    await world.sleep(50_000);
    const back = await restore(world);
    const heard = await Promise.all([a.hears(b, back), b.hears(a, back)]);
    world.measure("flowing again after", Math.max(...heard.map(({ cameAt }) => cameAt)) - back, {
      promisedMs: 3_000,
    });
    for (const [page, other] of [
      [a, b],
      [b, a],
    ]) {
      world.check(!page.statesOf(other).includes("left"), `${page.name} saw ${other.name} leave`);
    }
    await world.settle();
  },
});

const stopBoth = async (world) => {
  await world.server.kill();
  await world.link("drop-udp b on");
};

export default [
  plain,
  behindRouters,
  blocked,
  noDirectWay,
  silentDeath,
  bothDead(
    "both-paths-dead-server-back",
    "server and direct path are dead for 50 s, then the server comes back: flowing within 3 s, nothing lost",
    stopBoth,
    (world) => world.server.start(),
  ),
  bothDead(
    "both-paths-dead-direct-back",
    "server and direct path are dead for 50 s, then the direct path comes back: flowing within 3 s, nothing lost",
    stopBoth,
    (world) => world.link("drop-udp b off"),
  ),
];
