// Long transfers over networks that are far and lose packets.

const FOR_MS = 8_000;
/** As docs/sessions.md has it. */
const CONNECTIONS = 4;
const IDLE_MS = 10_000;

export default [
  {
    name: "lanes",
    title: "100 ms, 0.1 % loss: a long transfer gets four connections, and the loss of one costs nothing",
    async run(world) {
      const [a, b] = await Promise.all([world.open("a"), world.open("b")]);
      await world.link("set b loss=0.1 delay=50");
      await a.join();
      await b.join();
      await Promise.all([a.sees(b, "connected"), b.sees(a, "connected")]);
      const open = (count) => async () => {
        const counts = await Promise.all([a, b].map((page) => page.run((page) => page.openConnections())));
        return counts.every((open) => open === count);
      };
      await world.until("one connection", open(1), 5_000);
      const sending = a.run((page, given) => page.sendBulk(given), { peer: b.id, ms: FOR_MS }, 60_000);
      await world.until("four connections", open(CONNECTIONS), FOR_MS);
      await b.run((page) => page.closeLastConnection());
      await world.until("three connections", open(CONNECTIONS - 1), FOR_MS);
      const sent = await sending;
      await world.until(
        "all that was sent",
        async () => (await b.run((page) => page.bulkBytes())) === sent,
        60_000,
      );
      world.measures.push(`${((sent * 8) / 1e3 / FOR_MS).toFixed(2)} Mbit/s`);
      world.check(await b.run((page) => page.bulkIsInOrder()), "it came in another order");
      await world.until("one connection again", open(1), 3 * IDLE_MS);
      await world.settle();
    },
  },
];
