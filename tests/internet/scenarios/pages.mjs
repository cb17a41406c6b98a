// Pages and browsers that go, come back, and crash.

const reloaded = {
  name: "reload",
  title: "F15: b is reloaded: a sees it leave within 0.3 s, and somebody new within 2 s",
  async run(world) {
    // Under a new id, so that the old page and the new one are told apart here.
    const { a, b } = await world.pair({ options: { resume: false } });
    const before = { name: "b before", id: b.id };
    await world.sleep(500);
    const since = await b.reload();
    const left = await a.sees(before, "left", { since });
    world.measure("a sees b leave after", left.at - since, { promisedMs: 300 });
    world.check(left.reason === "left", `a was told that b is ${left.reason}`);
    const joined = await a.sees(b, "connected", { since });
    world.measure("a is connected with the new b after", joined.at - since, { promisedMs: 2_000 });
    world.check(a.statesOf(before, since).length === 1, "a saw more of the old b than that it left");
    await world.sleep(1_000);
    await world.settle();
  },
};

/**
 * Connections are closed while the page hears that it goes. That is in time for Chromium, which keeps the page, but not when
 * the other end is a Firefox: then it gives the reason `rtc`, closed or not. Firefox itself decides before the page hears.
 */
const backAgain = {
  name: "back-forward-cache",
  title:
    "F14: b goes to another page and back: a sees it leave within 0.3 s, and back under its id within 2 s",
  async run(world) {
    const { a, b } = await world.pair();
    const { id } = b;
    await world.sleep(500);
    const away = await b.goAway();
    const left = await a.sees(b, "left", { since: away });
    world.measure("a sees b leave after", left.at - away, { promisedMs: 300 });
    world.check(left.reason === "left", `a was told that b is ${left.reason}`);
    await world.sleep(1_000);
    const back = await b.goBack();
    const shown = await b.event({ type: "shown" }, { since: back });
    world.note(shown.persisted ? "the page is as it was left" : "the browser has loaded the page anew");
    // A page as it was left joins by itself. One loaded anew knows nothing, and takes up its id where it was kept.
    if (!shown.persisted) {
      await a.run((page, peer) => page.forget(peer), id);
      await b.join();
    }
    const connected = await a.event({ type: "peer", state: "connected" }, { since: back });
    world.measure("a is connected with b again after", connected.at - back, { promisedMs: 2_000 });
    world.check(connected.peer === id, "a is connected with somebody else");
    await b.refreshId();
    world.check(b.id === id, "b came back under another id");
    for (const [one, other] of [
      [a, b],
      [b, a],
    ]) {
      const { cameAt } = await one.hearsWhatIsSent(other, back);
      world.measure(`${one.name} hears ${other.name} again after`, cameAt - back, { promisedMs: 2_000 });
    }
    await world.sleep(1_000);
    await world.settle();
  },
};

const keptWithoutRoom = {
  name: "back-forward-cache-left",
  title:
    "F14: b leaves the room, goes to another page and back: it can join again within 2 s, also where it is kept",
  async run(world) {
    const { a, b } = await world.pair();
    const before = { name: "b before", id: b.id };
    await b.run((page) => page.leave());
    await a.sees(before, "left");
    await b.goAway();
    await world.sleep(1_000);
    const back = await b.goBack();
    const shown = await b.event({ type: "shown" }, { since: back });
    world.note(shown.persisted ? "the page is as it was left" : "the browser has loaded the page anew");
    // A page that is kept joins by itself, as an application would; either way as somebody new.
    if (!shown.persisted) await b.join();
    const connected = await a.event({ type: "peer", state: "connected" }, { since: back });
    world.measure("a is connected with b again after", connected.at - back, { promisedMs: 2_000 });
    await b.refreshId();
    world.check(b.id !== before.id, "b came back under its id although it had left");
    await world.sleep(1_000);
    await world.settle();
  },
};

const HIDDEN_MS = 15_000;

/**
 * b's tab lies behind another while both talk. Timers run there once a second. Chromium would soon run them once a minute,
 * but not in pages that hold connections to others, as those in a room do, also where UDP is blocked.
 */
const inBackground = (name, title, prepare) => ({
  name,
  title,
  hides: true,
  async run(world) {
    await prepare(world);
    const { a, b } = await world.pair({}, { hideable: true });
    await b.run(() => {
      globalThis.ticks = [];
      setInterval(() => globalThis.ticks.push(Date.now()), 50);
    });
    await world.sleep(500);
    const hidden = await b.hide();
    await world.sleep(HIDDEN_MS);
    const shown = Date.now();
    const ticks = await b.run((_page, since) => globalThis.ticks.filter((at) => at > since).length, hidden);
    world.measures.push(`timers of b ran ${ticks} times in ${HIDDEN_MS / 1_000} s`);
    world.check(ticks <= HIDDEN_MS / 500, `b's timers are not throttled: one ran ${ticks} times`);
    const heard = (await b.arrivals(a)).filter(({ sentAt }) => sentAt > hidden && sentAt < shown - 3_000);
    world.check(heard.length > HIDDEN_MS / 100, `b heard ${heard.length} messages only`);
    const slowest = Math.max(...heard.map(({ sentAt, cameAt }) => cameAt - sentAt));
    world.measure("the slowest message to b while hidden", slowest, { promisedMs: 500 });
    await b.show();
    world.checkNobodyNoticed(hidden);
    await world.sleep(500);
    await world.settle();
  },
});

/** b's browser is killed; `alone` is the server, too. */
const crashed = (name, title, { serverToo, suspectMs, leftMs }) => ({
  name,
  title,
  limitMs: 150_000,
  async run(world) {
    const { a, b } = await world.pair();
    await world.sleep(1_000);
    if (serverToo) {
      await world.server.kill();
      await world.sleep(500);
    }
    const since = await b.browser.kill();
    const suspended = await a.sees(b, "suspended", { since, limitMs: 15_000 }).catch(() => undefined);
    const left = await a.sees(b, "left", { since, limitMs: leftMs * 1.5 });
    if (suspended) world.measure("a sees b suspended after", suspended.at - since, { promisedMs: suspectMs });
    else world.check(left.at - since <= suspectMs * 3, "a never saw b suspended, nor gone at once");
    world.measure("a sees b gone after", left.at - since, { promisedMs: leftMs, headroom: 1.5 });
    world.check(left.reason === "lost", `a was told that b is ${left.reason}`);
  },
});

export default [
  reloaded,
  backAgain,
  keptWithoutRoom,
  inBackground(
    "tab-in-background",
    "F13: b's tab is in the background for 15 s, its timers run once a second: nobody notices, nothing is lost",
    () => {},
  ),
  inBackground(
    "tab-in-background-udp-blocked",
    "F13: the same when everything goes through the server",
    (world) => world.link("drop-udp b on"),
  ),
  crashed(
    "crash",
    "F16: b's browser is killed: suspended within 4 s, gone within 12 s since the server tells",
    {
      suspectMs: 4_000,
      leftMs: 12_000,
    },
  ),
  crashed("crash-without-server", "F16: b's browser is killed while there is no server: gone after 65 s", {
    serverToo: true,
    suspectMs: 4_000,
    leftMs: 65_000,
  }),
];
