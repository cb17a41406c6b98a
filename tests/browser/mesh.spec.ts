// A full mesh: everyone is connected with everyone.
import { expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const SIZE = 8;

test(`${SIZE} pages that join at once hear each other, and only once`, async ({ open, room }) => {
  const peers: Peer[] = [];
  for (let n = 0; n < SIZE; n += 1) peers.push(await open("chromium"));
  await Promise.all(peers.map((peer) => peer.join(room)));
  await expectMesh(...peers);

  await Promise.all(peers.map((peer) => peer.note("hello")));
  for (const peer of peers) {
    const others = peers.filter((other) => other !== peer).map((other) => `${other.id}: hello`);
    await expect.poll(async () => (await peer.notes()).sort()).toEqual(others.sort());
    for (const other of peers.filter((other) => other !== peer)) {
      expect(await peer.statesOf(other)).toEqual(["joined", "connected"]);
    }
  }
});

test("pages of both browsers that join one after the other", async ({ open, room }) => {
  const peers: Peer[] = [];
  for (const browser of ["chromium", "firefox", "chromium", "firefox"] as const) {
    const peer = await open(browser);
    await peer.join(room);
    peers.push(peer);
  }
  await expectMesh(...peers);
  await Promise.all(peers.map((peer) => peer.note(`I am ${peer.browser}`)));
  for (const peer of peers) {
    const others = peers
      .filter((other) => other !== peer)
      .map((other) => `${other.id}: I am ${other.browser}`);
    await expect.poll(async () => (await peer.notes()).sort()).toEqual(others.sort());
  }
});
