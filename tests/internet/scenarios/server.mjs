// The signaling server dies, stops, and is replaced.

/** Pages that hear of the server's end and of its return. */
async function checkReturn(world, pages, since, back, promisedMs) {
  for (const page of pages) {
    const lost = await page.event({ type: "signaling", state: "reconnecting" }, { since });
    const found = await page.event({ type: "signaling", state: "connected" }, { since: lost.at });
    world.measure(`${page.name} has the server back after`, found.at - back, { promisedMs });
  }
}

/** The longest pause on the ordered channel between messages that came since then. */
async function longestGap(page, other, since) {
  const times = (await page.arrivals(other)).map(({ cameAt }) => cameAt).filter((cameAt) => cameAt >= since);
  return Math.max(0, ...times.slice(1).map((cameAt, index) => cameAt - times[index]));
}

const killed = {
  name: "server-killed",
  title:
    "F3: the server is killed and comes back after 3 s: channels do not notice, everyone is back under the old id",
  async run(world) {
    const { a, b } = await world.pair();
    await world.sleep(500);
    const since = await world.server.kill();
    await world.sleep(3_000);
    const back = await world.server.start();
    await checkReturn(world, [a, b], since, back, 3_000);
    await world.sleep(1_000);
    world.checkNobodyNoticed(since);
    for (const [page, other] of [
      [a, b],
      [b, a],
    ]) {
      const gap = await longestGap(page, other, since);
      // A busy machine pauses pages for longer; a connection made anew would take longer still.
      world.measure(`longest gap from ${other.name} to ${page.name}`, gap, { promisedMs: 100, headroom: 10 });
      const before = page.id;
      await page.refreshId();
      world.check(page.id === before, `${page.name} is ${page.id} now, and was ${before}`);
    }
    await world.settle();
  },
};

const terminated = {
  name: "server-ends",
  title: "F30: the server is told to end and another starts at once: everyone is there again within 3 s",
  async run(world) {
    const { a, b } = await world.pair();
    await world.sleep(500);
    const since = await world.server.terminate();
    const back = await world.server.start();
    await checkReturn(world, [a, b], since, back, 3_000);
    world.checkNobodyNoticed(since);
    await world.settle();
  },
};

const frozen = {
  name: "server-frozen",
  title:
    "F4: the server stops for 30 s without closing anything: detected within 12 s, back 2 s after it goes on",
  async run(world) {
    const { a, b } = await world.pair();
    const since = await world.server.freeze();
    await world.sleep(30_000);
    const back = await world.server.thaw();
    for (const page of [a, b]) {
      const [lost] = world.timeline.events(page.name, { type: "signaling", state: "reconnecting" }, since);
      if (lost === undefined) world.check(false, `${page.name} has not found out that the server stopped`);
      else {
        world.measure(`${page.name} finds out after`, lost.at - since, { promisedMs: 12_000, headroom: 1.5 });
        const found = await page.event({ type: "signaling", state: "connected" }, { since: lost.at });
        world.measure(`${page.name} has the server back after`, found.at - back, { promisedMs: 2_000 });
      }
    }
    world.checkNobodyNoticed(since);
    await world.settle();
  },
};

const beforeJoin = {
  name: "server-late",
  title: "F1: pages join while there is no server: in within 2 s of its start",
  async run(world) {
    const [a, b] = await Promise.all([world.open("a"), world.open("b")]);
    await world.server.kill();
    const joins = Promise.all([a.join(), b.join()]);
    await world.sleep(2_000);
    const back = await world.server.start();
    await joins;
    world.measure("both are in after", Date.now() - back, { promisedMs: 2_000 });
    await Promise.all([a.sees(b, "connected"), b.sees(a, "connected")]);
    await world.settle();
  },
};

const replaced = {
  name: "server-replaced-20-times",
  title:
    "the server is replaced by another process 20 times during 10,000 messages: nothing is lost, nobody notices",
  limitMs: 180_000,
  async run(world) {
    const { a, b } = await world.pair();
    const since = world.note("the replacing begins");
    for (let time = 1; time <= 20; time += 1) {
      await (time % 2 === 0 ? world.server.terminate() : world.server.kill());
      await world.server.start();
      await world.sleep(2_400);
    }
    world.checkNobodyNoticed(since);
    const enough = async () => (await a.report()).sent[b.id].log * 4 >= 10_000;
    await world.until("10,000 messages", enough, 20_000);
    await world.settle();
  },
};

export default [beforeJoin, killed, terminated, frozen, replaced];
