// What a page tells of its addresses, and where it sends.
import { expect, type Peer, test } from "./support/fixtures.ts";

/** Keeps what the page's connections find, what they are given, and how they were made. */
function watch(page: Peer) {
  return page.run(({ kept }) => {
    const seen = { policies: [] as unknown[], found: [] as string[], given: [] as string[] };
    kept.seen = seen;
    const addIceCandidate = RTCPeerConnection.prototype.addIceCandidate;
    RTCPeerConnection.prototype.addIceCandidate = function (candidate) {
      seen.given.push(candidate?.candidate ?? "");
      return Reflect.apply(addIceCandidate, this, [candidate]);
    };
    const setRemoteDescription = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function (description) {
      seen.given.push(...(description.sdp ?? "").split("\r\n").filter((line) => line.includes("candidate:")));
      return Reflect.apply(setRemoteDescription, this, [description]);
    };
    const Native = RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Native {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        seen.policies.push(configuration?.iceTransportPolicy);
        this.addEventListener("icecandidate", ({ candidate }) => {
          if (candidate?.candidate) seen.found.push(candidate.candidate);
        });
      }
    };
  });
}

const seenBy = (page: Peer) =>
  page.run(({ kept }) => kept.seen as { policies: unknown[]; found: string[]; given: string[] });

for (const [first, second] of [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
] as const) {
  test(`${first} with "relay-only" tells ${second} no address, and they talk all the same`, async ({
    open,
    room,
  }) => {
    const [hidden, other] = [await open(first), await open(second)];
    await watch(hidden);
    await other.join(room);
    await hidden.join(room, { privacy: "relay-only" });
    await expect.poll(() => other.statesOf(hidden)).toContain("joined");
    await Promise.all([hidden.note("you do not see me"), other.note("I do not")]);
    await expect.poll(() => hidden.notes()).toEqual([`${other.id}: I do not`]);
    await expect.poll(() => other.notes()).toEqual([`${hidden.id}: you do not see me`]);
    expect(await hidden.paths()).toEqual({ [other.id]: "relay" });
    const { policies, found } = await seenBy(hidden);
    expect(policies.length).toBeGreaterThan(0);
    expect(new Set(policies)).toEqual(new Set(["relay"]));
    expect(found, "nothing to tell, as there is no TURN server").toEqual([]);
  });

  test(`${first} without lan tries no private address of ${second}`, async ({ open, room }) => {
    const [careful, other] = [await open(first), await open(second)];
    await watch(careful);
    await other.join(room);
    await careful.join(room, { lan: false });
    await careful.note("through the server, then");
    await expect.poll(() => other.notes()).toEqual([`${careful.id}: through the server, then`]);
    // It found addresses of its own, and applied the other's description; so candidates were there to be left out.
    await expect.poll(async () => (await seenBy(careful)).found.length).toBeGreaterThan(0);
    expect((await seenBy(careful)).given, "every address here is private").toEqual([]);
  });
}

test("what privacy may be is checked", async ({ open, room }) => {
  const page = await open("chromium");
  const wrong = await page.run(
    async ({ peerloom, failure }, room) =>
      failure(peerloom.join(location.origin, { room, privacy: "relay" as "relay-only" })),
    room,
  );
  expect(wrong?.name).toBe("TypeError");
});
