// Networks that lose, delay, double and disorder packets.

/** Pages join over an impaired link, talk for a while, and must have lost nothing. `promisedMs` is for connecting. */
const over = (name, title, commands, promisedMs, { mayBreak = false, talkMs = 5_000 } = {}) => ({
  name,
  title,
  async run(world) {
    const [a, b] = await Promise.all([world.open("a"), world.open("b")]);
    for (const command of commands) await world.link(command);
    await a.join();
    const began = world.note("b joins");
    await b.join();
    const connected = await Promise.all([a.sees(b, "connected"), b.sees(a, "connected")]);
    world.measure("b joins until both are connected", Math.max(...connected.map(({ at }) => at)) - began, {
      promisedMs,
    });
    const { cameAt } = await b.hears(a, 0);
    world.measure("b joins until the first message", cameAt - began);
    await world.sleep(talkMs);
    if (!mayBreak) {
      for (const [page, other] of [
        [a, b],
        [b, a],
      ]) {
        world.check(!page.statesOf(other).includes("suspended"), `${page.name} saw ${other.name} suspended`);
      }
    }
    await world.settle();
    world.note(await world.linkStats());
  },
});

export default [
  over("loss-1", "F9: 1 % loss each way, 50 ms round trip", ["set b loss=1 delay=25"], 2_000),
  over("loss-5", "F9: 5 % loss each way, 50 ms round trip", ["set b loss=5 delay=25"], 3_000),
  over("loss-20", "F9: 20 % loss each way, 50 ms round trip", ["set b loss=20 delay=25"], 10_000, {
    mayBreak: true,
    talkMs: 15_000,
  }),
  over("far-away", "F10: 300 ms round trip between any two", ["set all delay=75"], 2_500),
  over(
    "disorder",
    "F11: 20 ms jitter, 10 % out of order, 10 % twice, each way",
    ["set b delay=25 jitter=20 reorder=10 duplicate=10"],
    2_000,
  ),
  over("slow-line", "1 Mbit/s each way with a queue of 32 KiB", ["set b delay=10 rate=1 queue=32"], 2_000),
];
