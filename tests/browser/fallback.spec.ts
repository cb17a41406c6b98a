// When cards do not lead to a connection, plain trickled offer/answer does.
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const PAIRS: [resident: BrowserName, newcomer: BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
  ["firefox", "chromium"],
  ["firefox", "firefox"],
];

async function expectTalking(a: Peer, b: Peer): Promise<void> {
  await expectMesh(a, b);
  await a.note("there");
  await b.note("and back");
  await expect.poll(() => b.notes()).toEqual([`${a.id}: there`]);
  await expect.poll(() => a.notes()).toEqual([`${b.id}: and back`]);
  // Whatever was tried in between, nobody was told but of the connection.
  expect(await a.statesOf(b)).toEqual(["joined", "connected"]);
  expect(await b.statesOf(a)).toEqual(["joined", "connected"]);
}

const answered = (peer: Peer) => peer.run((h) => h.faults.answeredAnOffer());

for (const [first, second] of PAIRS) {
  test(`cards alone connect ${first} and ${second}`, async ({ open, room }) => {
    const [a, b] = [await open(first), await open(second)];
    for (const peer of [a, b]) await peer.run((h) => h.faults.watchOffers());
    await a.join(room);
    await b.join(room);
    await expectTalking(a, b);
    expect(await Promise.all([answered(a), answered(b)])).toEqual([false, false]);
  });

  for (const [who, refusing] of [
    ["the resident", [0]],
    ["the newcomer", [1]],
    ["both", [0, 1]],
  ] as const) {
    test(`${first}, then ${second}: ${who} cannot use the card`, async ({ open, room }) => {
      const peers = [await open(first), await open(second)] as const;
      for (const [at, peer] of peers.entries()) {
        const refuses = (refusing as readonly number[]).includes(at);
        await peer.run((h, refuses) => {
          h.faults.watchOffers();
          if (refuses) h.faults.refuseAnswers(1);
        }, refuses);
      }
      await peers[0].join(room);
      await peers[1].join(room);
      await expectTalking(...peers);
      expect((await Promise.all(peers.map(answered))).some(Boolean)).toBe(true);
    });
  }
}

for (const [first, second] of PAIRS.slice(0, 3)) {
  test(`${first} and ${second} offer at the same time, and one connection comes of it`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open(first), await open(second)];
    await a.join(room);
    // Both give their cards up. The newcomer lets the other offer first for 1.5 s, but that one is slow to make its own.
    for (const peer of [a, b]) {
      await peer.run(({ faults }) => {
        faults.watchConnections();
        faults.refuseAnswers(1);
      });
    }
    await a.run((h) => h.faults.delayOffers(2500));
    await b.join(room);
    await expectTalking(a, b);
    // The newcomer's own offer, which it gives up, and the answer to the other's. And two for newcomers, a little later.
    await expect.poll(() => b.run((h) => h.faults.madeSinceRefusal())).toBe(2 + 2);
    await expectMesh(a, b);
    expect(await b.run((h) => h.faults.madeSinceRefusal())).toBe(2 + 2);
    const used = await b.run(({ state }) => {
      const [peer] = state.room.peers.values();
      return peer?.connection?.connectionState;
    });
    expect(used).toBe("connected");
  });
}

for (const relay of ["first", "never"] as const) {
  test(`a connection that breaks is made anew, and nothing is lost (relay: ${relay})`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open("chromium"), await open("firefox")];
    await a.join(room, { relay });
    await b.join(room, { relay });
    await expectMesh(a, b);
    await a.run(({ state }) => {
      const [peer] = state.room.peers.values();
      peer?.connection?.close();
    });
    await b.note("from b");
    await a.note("from a");
    await expect.poll(() => b.notes()).toEqual([`${a.id}: from a`]);
    await expect.poll(() => a.notes()).toEqual([`${b.id}: from b`]);
    const direct = async () => (await b.pathsTo(a)).filter((path) => path === "direct").length;
    await expect.poll(direct).toBe(2);
    await expectMesh(a, b);
    await a.note("again");
    await expect.poll(() => b.notes()).toEqual([`${a.id}: from a`, `${a.id}: again`]);
    const states = await b.statesOf(a);
    expect(states.slice(0, 2)).toEqual(["joined", "connected"]);
    expect(states).not.toContain("left");
  });
}

for (const browser of ["chromium", "firefox"] as const) {
  test(`a page of ${browser} without WebRTC talks through the server`, async ({ open, room }) => {
    const [bare, other] = [await open(browser), await open("chromium")];
    await bare.run(() => void Reflect.deleteProperty(globalThis, "RTCPeerConnection"));
    await other.join(room);
    await bare.join(room);
    await bare.note("no other way");
    await expect.poll(() => other.notes()).toEqual([`${bare.id}: no other way`]);
    await other.note("it will do", bare);
    await expect.poll(() => bare.notes()).toEqual([`${other.id}: it will do`]);
    expect(await bare.paths()).toEqual({ [other.id]: "relay" });
  });
}
