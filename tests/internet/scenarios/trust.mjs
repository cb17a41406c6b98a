// What the others in a room learn of a page's addresses, and where they can have its browser send packets: counted on the wire.

/** Keeps what a page says to the server and hears from it, from now on. */
const recordSignals = (page) =>
  page.run(() => {
    const signals = [];
    globalThis.signals = signals;
    const keep = (bytes) => signals.push(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    const Native = WebSocket;
    globalThis.WebSocket = class extends Native {
      constructor(...args) {
        super(...args);
        this.addEventListener("message", ({ data }) => keep(new Uint8Array(data)));
      }
      send(data) {
        keep(data);
        super.send(data);
      }
    };
  });

/** How many of those messages hold an address, as cards and candidates have it or as text. */
const signalsWith = (page, address) =>
  page.run(
    (_, forms) => globalThis.signals.filter((signal) => forms.some((form) => signal.includes(form))).length,
    [String.fromCharCode(...address.split(".")), address],
  );

const [PUBLIC_A, PUBLIC_B] = ["10.77.0.200", "10.77.0.201"];

const relayOnly = {
  name: "relay-only-turn",
  title:
    'T14: with "relay-only" and a TURN server they meet by it; no packet from a\'s addresses reaches b, and no signal names one',
  hosts: ["a", "b", "turn"],
  packets: true,
  turn: true,
  async run(world) {
    await world.link(`nat a cone ${PUBLIC_A}`);
    await world.link(`nat b cone ${PUBLIC_B}`);
    const { a: hostA, b: hostB, turn } = world.hosts;
    const iceServers = await world.startTurn("turn");
    const ownOfA = [hostA.address, PUBLIC_A];

    /** Two pages in a room of their own; gives what b learned of a's addresses, in signals and in packets. */
    const meet = async (room, privacy, path) => {
      const [a, b] = await Promise.all([
        world.open("a", { kind: world.kinds[0], name: `a ${room}` }),
        world.open("b", { kind: world.kinds[1], name: `b ${room}` }),
      ]);
      await Promise.all([a, b].map(recordSignals));
      const since = Date.now();
      await a.join({ room, options: { iceServers, ...privacy } });
      await b.join({ room, options: { iceServers } });
      const pathOf = async (page, other) => (await page.run((page) => page.paths()))[other.id];
      await world.until(`the path ${path}`, async () => (await pathOf(a, b)) === path, 20_000);
      const met = Date.now();
      await Promise.all([a.hears(b, met), b.hears(a, met)]);
      await world.sleep(3_000);
      world.check((await pathOf(a, b)) === path, `a's path is ${await pathOf(a, b)}`);
      await world.settle([a, b]);
      const packets = world.packets(since).filter(({ to }) => to === hostB.address);
      const from = (addresses) => packets.filter(({ from }) => addresses.includes(from)).length;
      const signals = [];
      for (const page of [a, b]) for (const own of ownOfA) signals.push(await signalsWith(page, own));
      await Promise.all([a.close(), b.close()]);
      return { fromA: from(ownOfA), fromTurn: from([turn.address]), signals: Math.max(...signals) };
    };

    const shown = await meet("shown", {}, "direct");
    world.measures.push(
      `without it: ${shown.fromA} packets from a to b, ${shown.signals} signals with its addresses`,
    );
    world.check(
      shown.fromA > 0 && shown.signals > 0,
      "without it b hears of a's addresses, or this shows nothing",
    );
    const hidden = await meet("hidden", { privacy: "relay-only" }, "turn");
    world.measures.push(
      `with it: ${hidden.fromA} packets from a to b, ${hidden.fromTurn} from the TURN server, ${hidden.signals} signals`,
    );
    world.check(hidden.fromA === 0, `${hidden.fromA} packets came from a's own addresses`);
    world.check(hidden.fromTurn > 0, "packets come from the TURN server");
    world.check(hidden.signals === 0, `${hidden.signals} signals hold an address of a`);
  },
};

const privateCandidates = {
  name: "private-candidates",
  title: "T13: a member names a private address of another host: with lan: false not one packet goes there",
  hosts: ["a", "b", "door"],
  packets: true,
  async run(world) {
    const { a: hostA, door } = world.hosts;
    const knocks = async (room, options) => {
      const [victim, hostile] = await Promise.all([
        world.open("a", { kind: world.kinds[0], name: `victim ${room}` }),
        world.open("b", { kind: world.kinds[1], name: `hostile ${room}` }),
      ]);
      // Its cards and descriptions have the door's address among the candidates, before all others.
      await hostile.run((_, address) => {
        const prototype = Object.getPrototypeOf(RTCPeerConnection.prototype);
        const { get } = Object.getOwnPropertyDescriptor(prototype, "localDescription");
        const lines = [80, 443, 9_000].map(
          (port, n) => `a=candidate:77${n} 1 udp ${2_147_483_647 - n} ${address} ${port} typ host\r\n`,
        );
        Object.defineProperty(prototype, "localDescription", {
          get() {
            const own = get.call(this);
            return own?.sdp.includes("m=application")
              ? { type: own.type, sdp: own.sdp.replace("a=end-of-candidates\r\n", "") + lines.join("") }
              : own;
          },
        });
      }, door.address);
      const since = Date.now();
      await victim.join({ room, options });
      await hostile.join({ room });
      await Promise.all([victim.hears(hostile, 0), hostile.hears(victim, 0)]);
      // Checks go on for as long as there may be a better way.
      await world.sleep(6_000);
      await Promise.all([victim.close(), hostile.close()]);
      return world.packets(since).filter(({ from, to }) => from === hostA.address && to === door.address)
        .length;
    };
    const without = await knocks("open", {});
    world.measures.push(`without lan: false, ${without} packets went to the address`);
    world.check(without > 0, "without lan: false packets go there, or this shows nothing");
    const withIt = await knocks("closed", { lan: false });
    world.measures.push(`with lan: false, ${withIt} packets went there`);
    world.check(withIt === 0, `${withIt} packets went to the address`);
  },
};

export default [relayOnly, privateCandidates];
