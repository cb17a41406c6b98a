// Hosts that are cut off for a while, asleep, or somewhere else.

/** How long the peer may be silent before it counts as suspended. */
const SUSPECT_MS = 4_000;

/** b is cut off for so long; `flowingMs` is promised from its return to the first message, each way. */
async function cutOff(world, ms, flowingMs) {
  const { a, b } = await world.pair();
  await world.sleep(1_000);
  const cut = world.note(`b is cut off for ${ms} ms`);
  const back = await world.cutOff("b", ms);
  const heard = await Promise.all([a.hears(b, back), b.hears(a, back)]);
  world.measure("flowing again after", Math.max(...heard.map(({ cameAt }) => cameAt)) - back, {
    promisedMs: flowingMs,
  });
  return { a, b, cut, back };
}

/** Both must have seen the other suspended, then resumed, and never gone. */
async function checkSuspended(world, { a, b, since, promisedMs = SUSPECT_MS, observers = [a, b] }) {
  for (const [page, other] of [
    [a, b],
    [b, a],
  ]) {
    if (!observers.includes(page)) continue;
    const seen = (state, limitMs) => page.sees(other, state, { since, limitMs }).catch(() => undefined);
    const suspended = await seen("suspended", 5_000);
    if (suspended)
      world.measure(`${page.name} sees ${other.name} suspended after`, suspended.at - since, { promisedMs });
    else world.check(false, `${page.name} has not seen ${other.name} suspended`);
    if (suspended && !(await seen("resumed", 15_000)))
      world.check(false, `${page.name} has not seen ${other.name} resumed`);
    world.check(!page.statesOf(other, since).includes("left"), `${page.name} saw ${other.name} leave`);
  }
}

const short = {
  name: "partition-1s",
  title: "F5: cut off for 1 s: nobody notices, nothing is lost",
  async run(world) {
    const { cut } = await cutOff(world, 1_000, 1_000);
    await world.sleep(2_000);
    world.checkNobodyNoticed(cut);
    await world.settle();
  },
};

const long = (name, title, ms, flowingMs) => ({
  name,
  title,
  limitMs: ms + 90_000,
  async run(world) {
    const { a, b, cut } = await cutOff(world, ms, flowingMs);
    await checkSuspended(world, { a, b, since: cut });
    await world.settle();
  },
});

const moved = {
  name: "address-change",
  title: "F8: b changes to another network: traffic again within 3 s, nothing lost",
  async run(world) {
    const { a, b } = await world.pair();
    await world.sleep(1_000);
    const since = await world.moveHost("b");
    const heard = await Promise.all([a.hearsWhatIsSent(b, since), b.hearsWhatIsSent(a, since)]);
    world.measure("gap", Math.max(...heard.map(({ cameAt }) => cameAt)) - since, { promisedMs: 3_000 });
    await world.settle();
  },
};

const forgetful = {
  name: "router-forgets",
  title: "b's router forgets its mappings: nobody notices, nothing is lost",
  async run(world) {
    await world.link("nat b cone 10.77.0.200");
    const { a, b } = await world.pair();
    await world.sleep(1_000);
    const since = await world.link("forget b");
    const heard = await Promise.all([a.hearsWhatIsSent(b, since), b.hearsWhatIsSent(a, since)]);
    world.measure("gap", Math.max(...heard.map(({ cameAt }) => cameAt)) - since, { promisedMs: 1_000 });
    await world.sleep(2_000);
    world.check(!a.statesOf(b, since).includes("left"), "a saw b leave");
    await world.settle();
  },
};

const otherRouter = {
  name: "public-address-changes",
  title:
    "F8: b's router gets another public address, and b is not told: traffic again within 3 s, nothing lost",
  async run(world) {
    await world.link("nat b cone 10.77.0.200");
    const { a, b } = await world.pair();
    await world.sleep(1_000);
    const since = await world.link("nat b cone 10.77.0.201");
    const heard = await Promise.all([a.hearsWhatIsSent(b, since), b.hearsWhatIsSent(a, since)]);
    world.measure("gap", Math.max(...heard.map(({ cameAt }) => cameAt)) - since, { promisedMs: 3_000 });
    await world.settle();
  },
};

const asleep = {
  name: "browser-asleep-20s",
  title: "F12: b's whole browser stops for 20 s, as on a laptop asleep",
  async run(world) {
    const { a, b } = await world.pair();
    await world.sleep(1_000);
    const since = await b.browser.freeze();
    await world.sleep(20_000);
    const back = await b.browser.thaw();
    const heard = await Promise.all([a.hears(b, back), b.hears(a, back)]);
    world.measure("flowing again after", Math.max(...heard.map(({ cameAt }) => cameAt)) - back, {
      promisedMs: 1_000,
    });
    await checkSuspended(world, { a, b, since, observers: [a] });
    await world.settle();
  },
};

/** Chromium alone can stop one page. */
const paused = (name, title, ms) => ({
  name,
  title,
  limitMs: ms + 90_000,
  async run(world) {
    const { a, b } = await world.pair();
    await world.sleep(1_000);
    const since = await b.pause();
    await world.sleep(ms);
    const back = await b.resume();
    const { cameAt } = await a.hears(b, back);
    world.measure("flowing again after", cameAt - back, { promisedMs: 1_000 });
    if (ms < 60_000) {
      await checkSuspended(world, { a, b, since, observers: [a] });
      await world.settle();
    } else {
      // Gone meanwhile; it must find back by itself.
      await a.event({ type: "peer", state: "joined" }, { since: back, limitMs: 15_000 });
    }
  },
});

export default [
  short,
  long(
    "partition-10s",
    "F6: cut off for 10 s: suspended, then flowing 1 s after the return, nothing lost",
    10_000,
    1_000,
  ),
  long(
    "partition-60s",
    "F7: cut off for 60 s: suspended, then flowing 3 s after the return, nothing lost",
    60_000,
    3_000,
  ),
  moved,
  otherRouter,
  forgetful,
  asleep,
  paused(
    "page-paused-20s",
    "F12: b's page stops for 20 s: suspended, then flowing again, nothing lost",
    20_000,
  ),
  paused("page-paused-5min", "F12: b's page stops for 5 min: gone, and back by itself", 300_000),
];
