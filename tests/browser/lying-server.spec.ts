// A signaling server that lies: it changes what pages are told of each other, passes for them, and tells old things again.
// Whatever it does, nothing that a page sends to another reaches anybody else, and both ends are told.
import { randomBytes } from "node:crypto";
import { type BrowserName, test as base, expect, type Peer } from "./support/fixtures.ts";
import { LyingProxy } from "./support/lying-proxy.ts";

/** Opens a page that the liar stands before. */
type OpenPage = (browser: BrowserName) => Promise<Peer>;

const test = base.extend<{ liar: LyingProxy; pageOf: OpenPage }>({
  liar: async ({ server }, use) => {
    await using liar = await LyingProxy.start(server.url);
    await use(liar);
  },
  /** Shows its certificate. */
  pageOf: async ({ open, liar }, use) => {
    await use(async (browser) => {
      const page = await open(browser, { server: liar });
      await page.run(({ kept }) => {
        const make = RTCPeerConnection.generateCertificate;
        RTCPeerConnection.generateCertificate = async (algorithm) => {
          const certificate = await Reflect.apply(make, RTCPeerConnection, [algorithm]);
          kept.certificate = certificate;
          return certificate;
        };
      });
      return page;
    });
  },
});

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];

/** As a description has it. */
async function fingerprint(page: Peer): Promise<string> {
  const sdp = await page.run(async ({ kept }) => {
    const pc = new RTCPeerConnection({ certificates: [kept.certificate as RTCCertificate] });
    pc.createDataChannel("any");
    const { sdp } = await pc.createOffer();
    pc.close();
    return sdp ?? "";
  });
  return /^a=fingerprint:sha-256 (\S+)/m.exec(sdp)?.[1] ?? "";
}

const bytesOf = (fingerprint: string) => Buffer.from(fingerprint.replaceAll(":", ""), "hex");
const textOf = (bytes: Buffer) =>
  Buffer.from(
    bytes
      .toString("hex")
      .toUpperCase()
      .replace(/..(?!$)/g, "$&:"),
  );
const idOf = (page: Peer) => Buffer.from(page.id, "base64url");

/** The message with one text in place of another of the same length, wherever the place is one of these. */
function swapped(message: Buffer, from: Buffer, to: Buffer, where = (_at: number) => true): Buffer {
  const changed = Buffer.from(message);
  for (let at = message.indexOf(from); at >= 0; at = message.indexOf(from, at + 1)) {
    if (where(at)) to.copy(changed, at);
  }
  return changed;
}

/** The identity of a hello begins with its length, 161, its kind, 2, and then the fingerprint. */
const isInHello = (message: Buffer) => (at: number) => message.readUIntBE(at - 3, 3) === 0xa1_01_02;

/** Of the first record in a frame, behind version and length; records that introduce somebody have over 127 bytes. */
const kindOf = (message: Buffer) => ((message[1] ?? 0) > 127 ? message[3] : message[2]);

const errorsOf = async (page: Peer) =>
  (await page.happenings("error")).map(({ peer, code }) => `${peer} ${code}`);
const metadataOf = (page: Peer, other: Peer) =>
  page.run((h, id) => h.state.room.peers.get(id)?.metadata ?? null, other.id);

/** What this page sends to the other is refused at once, and the other hears nothing. */
async function expectNothingIsSent(from: Peer, to: Peer): Promise<void> {
  const failed = await from.run(
    ({ state, failure }, to) => failure(state.room.note.send({ text: "secret", n: 1 }, { to })),
    to.id,
  );
  expect(failed).toMatchObject({ code: "peer-gone" });
  await from.note("to everyone");
  expect(await to.notes()).toEqual([]);
}

for (const [first, second] of PAIRS) {
  test(`${first}, then ${second}: another certificate in every card and description`, async ({
    pageOf,
    liar,
    room,
  }) => {
    test.setTimeout(90_000);
    const [a, b] = [await pageOf(first), await pageOf(second)];
    const evil = randomBytes(32);
    const known: Buffer[] = [];
    liar.lie = (message) => {
      let told = message;
      for (const fingerprint of known) {
        const inHello = isInHello(told);
        told = swapped(told, fingerprint, evil, (at) => !inHello(at));
        told = swapped(told, textOf(fingerprint), textOf(evil));
      }
      return [told];
    };
    await a.join(room);
    known.push(bytesOf(await fingerprint(a)));
    // Made before the join, which brings a card at once.
    await b.run(async ({ kept }) => {
      const certificate = await RTCPeerConnection.generateCertificate({
        name: "ECDSA",
        namedCurve: "P-256",
      } as AlgorithmIdentifier);
      kept.certificate = certificate;
      RTCPeerConnection.generateCertificate = async () => certificate;
    });
    known.push(bytesOf(await fingerprint(b)));
    await b.join(room);
    await expect.poll(() => errorsOf(a)).toContain(`${b.id} wrong-certificate`);
    await expect.poll(() => errorsOf(b)).toContain(`${a.id} wrong-certificate`);
    // What is sealed with keys that both have signed goes through the server, and it cannot read that.
    await a.note("sealed");
    await expect.poll(() => b.notes()).toEqual([`${a.id}: sealed`]);
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      expect(await one.paths()).toEqual({ [other.id]: "relay" });
      expect(await one.pathsTo(other)).not.toContain("direct");
    }
  });

  test(`${first}, then ${second}: another certificate in hellos too`, async ({ pageOf, liar, room }) => {
    const [a, b] = [await pageOf(first), await pageOf(second)];
    await a.join(room);
    const [theirs, evil] = [bytesOf(await fingerprint(a)), randomBytes(32)];
    liar.lie = (message) => [swapped(message, theirs, evil)];
    await b.join(room);
    await expect.poll(() => errorsOf(b)).toEqual([`${a.id} forged-identity`]);
    await expectNothingIsSent(b, a);
    expect(await b.statesOf(a)).toEqual(["joined"]);
  });

  test(`${first}, then ${second}: other metadata, and another key for packets`, async ({
    pageOf,
    liar,
    room,
  }) => {
    const [a, b] = [await pageOf(first), await pageOf(second)];
    liar.lie = (message) => [swapped(message, Buffer.from("Ada"), Buffer.from("Eve"))];
    await a.join(room, { metadata: "Ada" });
    await b.join(room, { metadata: "Bob" });
    await expect.poll(() => errorsOf(b)).toEqual([`${a.id} forged-identity`]);
    expect(await metadataOf(b, a), "nothing is taken over").toBeNull();
    await expectNothingIsSent(b, a);
    await b.leave();
    // A session record has 45 bytes: its kind, 8 that name the page, and the key.
    liar.lie = (message) => {
      const changed = Buffer.from(message);
      for (
        let at = message.indexOf(Buffer.of(45, 1));
        at >= 0;
        at = message.indexOf(Buffer.of(45, 1), at + 1)
      ) {
        if (message[at + 45] === 1 && message[at + 46] === 0xa1) randomBytes(32).copy(changed, at + 10);
      }
      return [changed];
    };
    const again = await pageOf(second);
    await again.join(room);
    await expect.poll(() => errorsOf(again)).toEqual([`${a.id} forged-identity`]);
    await expectNothingIsSent(again, a);
  });

  test(`${first}, then ${second}: passing for somebody else`, async ({ pageOf, liar, room }) => {
    const [absent, a, eve] = [await pageOf(second), await pageOf(first), await pageOf(second)];
    await absent.join(`${room} elsewhere`);
    await a.join(room);
    // The page of the attacker comes, and is called by the other's name.
    liar.lie = (message) => {
      // A newcomer, whose id is the first field.
      if (kindOf(message) !== 1) return [message];
      return [swapped(message, message.subarray(4, 20), idOf(absent))];
    };
    await eve.join(room);
    await expect.poll(() => errorsOf(a)).toEqual([`${absent.id} forged-identity`]);
    await expectNothingIsSent(a, absent);
    expect(await eve.notes()).toEqual([]);
  });

  test(`${first}, then ${second}: somebody who has left is said to be back`, async ({
    pageOf,
    liar,
    room,
  }) => {
    const [a, b] = [await pageOf(first), await pageOf(second)];
    await a.join(room);
    const told: Buffer[] = [];
    let tell: (message: Buffer) => void = () => {};
    liar.lie = (message, teller) => {
      // Who hears that the other page has joined, kind 1, is this one.
      if (kindOf(message) === 1) tell = teller.tell;
      if (teller.tell === tell) told.push(message);
      return [message];
    };
    await b.join(room);
    await b.note("hello");
    await expect.poll(() => a.notes()).toEqual([`${b.id}: hello`]);
    await expect.poll(async () => (await a.paths())[b.id]).toBe("direct");
    await b.leave();
    await expect.poll(() => a.statesOf(b)).toEqual(["joined", "connected", "left"]);
    liar.lie = (message) => [message];
    // Its hello and its signature are true, and its packets were. Who made them is gone.
    const again = told.filter((message) => message.includes(idOf(b)) && kindOf(message) !== 2);
    expect(again.length).toBeGreaterThan(1);
    for (const message of again) tell(message);
    await expect.poll(async () => (await a.statesOf(b)).at(3)).toBe("joined");
    const outcomes = await a.run(async ({ state }, to) => {
      const note = { text: "secret", n: 1 };
      return [...(await state.room.note.send(note, { to, confirm: true, timeoutMs: 3_000 })).values()];
    }, b.id);
    expect(outcomes, "nobody can say that it has this").toEqual(["timeout"]);
    expect(await a.notes(), "no packet is taken again").toEqual([`${b.id}: hello`]);
    expect(await a.paths()).not.toMatchObject({ [b.id]: "direct" });
  });
}

test("a page that is given another id than its own does not join", async ({ pageOf, liar, room }) => {
  const a = await pageOf("chromium");
  // Alone in its room it hears a short welcome, kind 0. Its first field is the id.
  liar.lie = (message) => {
    if (message[2] === 0) randomBytes(16).copy(message, 3);
    return [message];
  };
  const failed = await a.run(
    ({ peerloom, failure }, room) => failure(peerloom.join(location.origin, { room })),
    room,
  );
  expect(failed).toMatchObject({ code: "bad-message", isPeerloomError: true });
});

for (const [first, second] of PAIRS) {
  test(`${first} is connected with the ${second} that it expects, and with nobody else`, async ({
    open,
    room,
  }) => {
    const [friend, a, stranger] = [await open(second), await open(first), await open(second)];
    await friend.join(room);
    await stranger.join(room);
    await a.join(room, { pinned: [friend.id] });
    expect(await a.run((h) => h.state.room.security)).toBe("pinned");
    expect(await friend.run((h) => h.state.room.security)).toBe("open");
    await expect.poll(() => errorsOf(a)).toEqual([`${stranger.id} not-accepted`]);
    await a.note("for friends");
    await expect.poll(() => friend.notes()).toEqual([`${a.id}: for friends`]);
    await expect.poll(async () => (await a.paths())[friend.id]).toBe("direct");
    await expectNothingIsSent(a, stranger);
    // What the stranger sends waits there, and is never taken here.
    await stranger.note("let me in");
    await friend.note("you are");
    await expect.poll(() => a.notes()).toEqual([`${friend.id}: you are`]);
  });
}

test("who is accepted may be asked of a function, which may take its time, or throw", async ({
  open,
  room,
}) => {
  const [one, two, a] = [await open("chromium"), await open("chromium"), await open("chromium")];
  await one.join(room);
  await two.join(room);
  await a.joinWith(
    async ({ joinRoom }, { room, good }) => {
      const pinned = async (id: string) => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        if (id !== good) throw new Error("nobody I know");
        return true;
      };
      await joinRoom({ room, pinned });
    },
    { room, good: one.id },
  );
  await expect.poll(() => errorsOf(a)).toEqual([`${two.id} not-accepted`]);
  await expect.poll(async () => (await a.paths())[one.id]).toBe("direct");
});
