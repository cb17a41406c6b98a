// A member with a well-signed identity and no honest intention: a bare RTCPeerConnection and WebSocket, against a page with the
// SDK. Whatever it says, the page lives, holds little, is told, and two others in the room go on talking.
import { type BareChannel, BarePeer } from "./support/bare-peer.ts";
import { type BrowserName, test as base, expect, type Peer } from "./support/fixtures.ts";
import * as wire from "./support/wire.ts";

const MIB = 1024 * 1024;
/** What a page may hold more than before: what the hostile peer may have in all windows, and noise. */
const MORE_BYTES = 24 * MIB;
/** Open connections of a page: to two others, two that wait for newcomers, and one that is being made. */
const MOST_OPEN = 5;
/** With closed ones that Chromium has not collected. It lets a page have 500. */
const MOST_LIVING = 120;
/** Sessions and connections that a peer may have made anew without a pause; later one each second. */
const AT_ONCE = 8;
const FRAGMENT_BYTES = 16_384;
const FRAME_BYTES = FRAGMENT_BYTES + 24;
const NOTHING_ASKED = { camera: 0, transceivers: 0, strange: [] as string[] };

interface Scene {
  victim: Peer;
  witness: Peer;
  hostile: BarePeer;
}

type Act = (scene: Scene) => Promise<void>;

/** Tells what no description of a peer may lead to, and how many candidates a connection is given. */
async function watch(page: Peer): Promise<void> {
  await page.run(({ kept, faults }) => {
    faults.watchMemory();
    faults.watchChannels();
    faults.watchConnections();
    const seen = { camera: 0, strange: [] as string[], candidates: new Map<RTCPeerConnection, number>() };
    kept.seen = seen;
    navigator.mediaDevices.getUserMedia = () => {
      seen.camera += 1;
      return Promise.reject(new Error("no camera"));
    };
    const prototype = RTCPeerConnection.prototype;
    const { setRemoteDescription, addIceCandidate } = prototype;
    prototype.setRemoteDescription = function (description) {
      const lines = (description.sdp ?? "").split("\r\n");
      seen.strange.push(...lines.filter((line) => /^m=(?!application)|evil|^[^a-z]|^.[^=]/.test(line)));
      return Reflect.apply(setRemoteDescription, this, [description]);
    };
    prototype.addIceCandidate = function (candidate) {
      seen.candidates.set(this, (seen.candidates.get(this) ?? 0) + 1);
      return Reflect.apply(addIceCandidate, this, [candidate]);
    };
  });
}

const asked = (page: Peer) =>
  page.run(({ kept, faults }) => {
    const { camera, strange } = kept.seen as { camera: number; strange: string[] };
    return { camera, strange, transceivers: faults.transceivers() };
  });

const test = base.extend<{ scene(victim: BrowserName): Promise<Scene> }>({
  scene: async ({ open, room, startServer }, use) => {
    await use(async (browser) => {
      // One that lets pass nearly everything: what it refuses is no business of this file's.
      const flags = ["--message-rate", "5000", "--message-burst", "10000", "--byte-rate", "10000000"];
      const server = await startServer({ flags: [...flags, "--byte-burst", "10000000"] });
      const [victim, witness, page] = [
        await open(browser, { server }),
        await open("chromium", { server }),
        await open("chromium", { server }),
      ];
      await watch(victim);
      await victim.join(room);
      await witness.join(room);
      await victim.expectPeers(witness);
      return { victim, witness, hostile: await BarePeer.join(page, room, victim) };
    });
  },
});
test.use({ plainAddresses: true });

/** Two honest pages talk as ever, and the one that was attacked holds no more than it may. */
async function expectUnharmed({ victim, witness }: Scene, before: number | undefined): Promise<void> {
  const text = `unharmed ${Math.random()}`;
  await victim.note(text, witness);
  await witness.note(text, victim);
  await expect.poll(() => witness.notes()).toContain(`${victim.id}: ${text}`);
  await expect.poll(() => victim.notes()).toContain(`${witness.id}: ${text}`);
  expect(await victim.statesOf(witness)).not.toContain("left");
  expect(await witness.statesOf(victim)).not.toContain("left");
  expect(await victim.happenings("closed")).toEqual([]);
  await expect.poll(() => victim.run((h) => h.faults.openConnections())).toBeLessThanOrEqual(MOST_OPEN);
  expect((await victim.livingConnections()) ?? 0).toBeLessThanOrEqual(MOST_LIVING);
  expect(await asked(victim)).toEqual(NOTHING_ASKED);
  if (before !== undefined) {
    await expect
      .poll(async () => ((await victim.heldBytes()) ?? 0) - before, { message: "held more than before" })
      .toBeLessThanOrEqual(MORE_BYTES);
  }
}

/** What the page was told of its peer's messages. */
const invalid = async ({ victim, hostile }: Scene) =>
  (await victim.happenings("invalid"))
    .filter(({ peer }) => peer === hostile.id)
    .map(({ label, code }) => `${label} ${code}`);

/** Each of these frames ends the connection it came over, with this code; the next comes over another. */
const refused =
  (channel: BareChannel, cases: [readonly number[], string][]): Act =>
  async (scene) => {
    // Streams and calls have no label.
    const label = channel === "peerloom.more" ? "" : channel;
    for (const [at, [frame, code]] of cases.entries()) {
      if (at > 0) await scene.hostile.connect();
      await scene.hostile.send(channel, frame);
      await expect.poll(() => invalid(scene)).toHaveLength(at + 1);
      expect((await invalid(scene)).at(-1)).toBe(`${label} ${code}`);
      await scene.hostile.expectClosed();
    }
  };

const fragment = (seq: number, total: number, offset: number, length = FRAGMENT_BYTES) => [
  ...[1, ...wire.varint(seq), ...wire.varint(total), ...wire.varint(offset)],
  ...Array<number>(length).fill(0),
];
const batch = (seq: number, ...payload: number[]) => [0, ...wire.varint(seq), 1, payload.length, ...payload];
const stream = (seq: number, ...message: number[]) => batch(seq, ...message);

/** Of the direct connection, once it is there. */
const CONNECTED: Record<string, Act> = {
  "opens 300 channels that nobody declared": async ({ hostile }) => {
    await hostile.openUndeclared(300);
    await hostile.expectClosed();
  },

  "claims messages of 16 MiB and more": refused("unordered", [
    [fragment(0, 16 * MIB + 1, 0), "message-too-large"],
    [fragment(0, 2 ** 32 - 1, 0), "message-too-large"],
    [fragment(0, 2 ** 53 - 1, 0), "message-too-large"],
  ]),

  "plays with places in fragments": refused("json", [
    [fragment(0, 40_000, 100), "bad-frame"],
    [fragment(0, 40_000, 49_152), "bad-frame"],
    [fragment(0, 40_000, 0, 100), "bad-frame"],
    [fragment(0, 40_000, 32_768), "bad-frame"],
  ]),

  "begins messages of 16 MiB without end": async (scene) => {
    const behind = [...wire.varint(16 * MIB), 0];
    const sent = await scene.hostile.flood("unordered", 5_000, 1, behind, FRAGMENT_BYTES);
    expect(sent).toBeLessThan(5_000);
    await scene.hostile.expectClosed();
    expect(await invalid(scene)).toEqual(["unordered reassembly-limit"]);
  },

  "sends far more than the window": async (scene) => {
    // Message 0 never comes, so none of these can be read.
    const sent = await scene.hostile.flood(
      "json",
      5_000,
      0,
      [1, ...wire.varint(FRAGMENT_BYTES)],
      FRAGMENT_BYTES,
    );
    expect(sent).toBeLessThan(5_000);
    await scene.hostile.expectClosed();
    expect(await invalid(scene)).toEqual(["json window-exceeded"]);
  },

  "acknowledges what was never sent": refused("json", [
    [[2, ...wire.varint(1_000), 0, ...wire.varint(MIB)], "bad-frame"],
    [[2, ...wire.varint(2 ** 53 - 1), 0, ...wire.varint(2 ** 53 - 1)], "bad-frame"],
  ]),

  "claims that a little is much, compressed": refused("json", [
    // A run of one byte, as long as a block can say in few bytes, and lengths that lie.
    [[3, ...wire.varint(2 ** 32 - 1), 0x1f, 0, 1, 0, ...Array<number>(4_000).fill(255), 0], "bad-frame"],
    [[3, ...wire.varint(FRAME_BYTES), 0x1f, 0, 1, 0, ...Array<number>(16_000).fill(255), 0], "bad-frame"],
    [[3, ...wire.varint(FRAME_BYTES), 0x1f, 0, 0xff, 0xff, 255, 0], "bad-frame"],
  ]),

  "floods the control channel": async ({ victim, hostile }) => {
    const random = Array.from({ length: 500 }, (_, n) =>
      Array.from({ length: (n * 7) % 1_500 }, (_, at) => (n * 31 + at * 17) % 256),
    );
    expect(await hostile.send("peerloom", ...random)).toBe(true);
    const steps = [[0], [1, ...Array<number>(32).fill(7)], [2, ...Array<number>(32).fill(9)]];
    for (const record of [wire.pingRecord(2 ** 32 - 1), ...steps.map((step) => [5, ...step])]) {
      await hostile.floodControl(50_000, record);
    }
    expect(await victim.statesOf(hostile.id)).not.toContain("left");
  },

  "opens streams beyond the limit": async (scene) => {
    const { victim, hostile } = scene;
    await victim.run(({ state, kept }) => {
      kept.streams = 0;
      state.room.on("stream", () => {
        kept.streams = (kept.streams as number) + 1;
      });
    });
    const opens = Array.from({ length: 500 }, (_, n) =>
      stream(n, 0, ...wire.varint(hostile.streamNumber(n)), 1, 0x78),
    );
    await hostile.send("peerloom.more", ...opens);
    await expect.poll(() => victim.run(({ kept }) => kept.streams)).toBe(64);
  },

  "uses streams that there are not": async (scene) => {
    const stranger = scene.hostile.streamNumber(7);
    await refused("peerloom.more", [
      [stream(0, 1, ...wire.varint(stranger), 1), "bad-stream-id"],
      [stream(0, 0, ...wire.varint(stranger), 1, 0x78), "bad-stream-id"],
      [stream(0, 0x10, 0), "bad-frame"],
    ])(scene);
    expect(await scene.victim.statesOf(scene.hostile.id)).toContain("left");
  },

  "calls methods that there are not, more often than it may": async ({ hostile }) => {
    const calls = Array.from({ length: 600 }, (_, n) =>
      stream(n, 0x10, ...wire.varint(n), ...wire.varint(n * 1_000)),
    );
    await hostile.send("peerloom.more", ...calls);
  },

  "begins sessions as fast as it can": async ({ victim, hostile }) => {
    const began = Date.now();
    for (let times = 0; times < 12; times += 1) {
      await hostile.connect({ anew: true });
      await hostile.control(
        ...Array.from({ length: 200 }, (_, n) => wire.beginRecord(1_000 * (times + 1) + n, 0)),
      );
    }
    const left = (await victim.statesOf(hostile.id)).filter((state) => state === "left").length;
    expect(left).toBeLessThanOrEqual(AT_ONCE + (Date.now() - began) / 1_000 + 1);
  },
};

/** Of what goes through the server. */
const SIGNALED: Record<string, Act> = {
  "offers without end": async ({ victim, hostile }) => {
    const sdp = await hostile.describe();
    const before = await victim.run((h) => h.faults.madeConnections());
    const offers = Array.from({ length: 400 }, (_, n) => wire.offerRecord(1 + n, sdp));
    const began = Date.now();
    await hostile.signal(...offers);
    await new Promise((soon) => setTimeout(soon, 3_000));
    const made = (await victim.run((h) => h.faults.madeConnections())) - before;
    // And two of the page's own, for newcomers.
    expect(made).toBeLessThanOrEqual(AT_ONCE + (Date.now() - began) / 1_000 + 1 + 2);
    expect(made).toBeGreaterThanOrEqual(AT_ONCE);
  },

  "offers a camera, and lines of its own": async ({ victim, hostile }) => {
    const sdp = await hostile.describe();
    const applied = await victim.run((h) => h.faults.madeConnections());
    const media =
      "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n";
    const audio = media
      .replace("video", "audio")
      .replaceAll("96", "111")
      .replace("VP8/90000", "opus/48000/2");
    const evil = [
      sdp + media,
      sdp + audio,
      sdp.replace(/m=application/, `${media}m=application`),
      sdp.replace(/m=application/, "m=audio"),
      sdp.replace(/a=mid:0/, "a=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96"),
      sdp.replace(/a=mid:0/, "a=mid:0\na=evil:1"),
      sdp.replace(/a=mid:0/, "a=mid:0\ra=evil:1"),
      sdp.replace(/a=ice-ufrag:\S+/, "a=ice-ufrag:abcd\u0000evil"),
      sdp.replace(/a=ice-ufrag:\S+/, "a=ice-ufrag:abcd\u2028a=evil:1"),
      sdp.replace(/a=candidate:.*/, "a=candidate:1 1 udp 1 evil.example 9 typ host"),
      sdp.replace(/a=mid:0/, `a=mid:0\r\n${"a=evil:".padEnd(15_000, "x")}`),
      sdp.replace(/s=-/, "s=evil"),
    ];
    await hostile.signal(...evil.map((one) => wire.offerRecord(hostile.nextGeneration(), one)));
    await new Promise((soon) => setTimeout(soon, 1_000));
    const made = (await victim.run((h) => h.faults.madeConnections())) - applied;
    // The last three are well-formed with lines that are left out, and may make a connection each.
    expect(made).toBeLessThanOrEqual(4);
    // That it is none of this which keeps it from connecting:
    await hostile.connect();
  },

  "tells thousands of candidates": async ({ victim, hostile }) => {
    await hostile.connect();
    const candidate = (n: number) => [
      0,
      ...wire.varint(n),
      0x7e,
      0,
      0x1e,
      0xff,
      203,
      0,
      113,
      1 + (n % 250),
      0x10,
      n % 256,
    ];
    const sdp = await hostile.describe();
    const offered = hostile.nextGeneration();
    await hostile.signal(wire.offerRecord(offered, sdp));
    for (const meant of [offered, offered + 1, 0, 2 ** 32 - 1]) {
      const many = Array.from({ length: 1_000 }, (_, n) => wire.candidateRecord(meant, candidate(n)));
      await hostile.signal(...many);
    }
    await new Promise((soon) => setTimeout(soon, 2_000));
    const given = await victim.run(({ kept }) => [
      ...(kept.seen as { candidates: Map<RTCPeerConnection, number> }).candidates.values(),
    ]);
    // So that this could fail: some of them are given.
    expect(Math.max(...given)).toBeGreaterThan(30);
    expect(Math.max(...given)).toBeLessThanOrEqual(64);
  },
};

for (const browser of ["chromium", "firefox"] as const) {
  for (const [title, act] of Object.entries(CONNECTED)) {
    test(`${browser} against a peer that ${title}`, async ({ scene }) => {
      test.slow();
      const made = await scene(browser);
      await made.hostile.connect();
      await expect.poll(() => made.victim.statesOf(made.hostile.id)).toContain("connected");
      const before = await made.victim.heldBytes();
      await act(made);
      await expectUnharmed(made, before);
      // It is held off for what it does, and not for good.
      await made.hostile.connect();
    });
  }
  for (const [title, act] of Object.entries(SIGNALED)) {
    test(`${browser} against a peer that ${title}`, async ({ scene }) => {
      test.slow();
      const made = await scene(browser);
      const before = await made.victim.heldBytes();
      await act(made);
      await expectUnharmed(made, before);
    });
  }
}
