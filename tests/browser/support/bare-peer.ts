// A member without the package, driven byte by byte: it joins as itself, connects by plain offers, and then says what no
// honest page would.
import { expect, type Peer } from "./fixtures.ts";
import * as wire from "./wire.ts";

/** The data channels of the test pages' protocol, by their ids. */
const LABELS = [
  "peerloom",
  "blob",
  "brief",
  "json",
  "lasting",
  "latest",
  "note",
  "unordered",
  "peerloom.more",
];
export type BareChannel = "peerloom" | "json" | "unordered" | "peerloom.more";
/** Further than the other end can have got meanwhile, so that an offer is never too old for it. */
const GENERATIONS = 10;

type Bytes = readonly number[];

export class BarePeer {
  readonly #page: Peer;
  readonly #who = new wire.Someone();
  #generation = 0;
  /** The number of its session: another one begins it anew. */
  #session = 1;
  /** The other end, and its stay. */
  #to = "";
  #epoch = 0;

  private constructor(page: Peer) {
    this.#page = page;
  }

  /** Joins, signed as well as anybody. The page of `to` has to be in the room. */
  static async join(page: Peer, room: string, to: Peer): Promise<BarePeer> {
    const bare = new BarePeer(page);
    const fingerprint = Buffer.from(await page.run(({ bare }) => bare.certify()), "hex");
    const said = [wire.helloRecord, wire.sessionRecord()];
    const identity = bare.#who.identityRecord(room, wire.frame(1, ...said), fingerprint);
    const hello = wire.frame(1, ...said, identity);
    await page.run(
      ({ bare }, join) => bare.open(join),
      [...wire.frame(1, bare.#who.joinRecord(room, hello))],
    );
    const welcome: number[] = [];
    const known = Buffer.from(to.id, "base64url");
    await expect
      .poll(async () => {
        welcome.push(...(await page.run(({ bare }) => bare.takeHeard())).flat());
        return Buffer.from(welcome).includes(known);
      })
      .toBe(true);
    const at = Buffer.from(welcome).indexOf(known) + known.length;
    bare.#to = to.id;
    bare.#epoch = wire.readVarint(Uint8Array.from(welcome.slice(at)));
    return bare;
  }

  get id(): string {
    return this.#who.id;
  }

  /** The number that {@link stream} `n` of this side has: of the two, the one with the lower id has the even ones. */
  streamNumber(n: number): number {
    const [own, other] = [this.id, this.#to].map((id) => Buffer.from(id, "base64url"));
    return 2 * n + (own !== undefined && other !== undefined && own.compare(other) < 0 ? 0 : 1);
  }

  /** Says these envelopes to the other end, through the server. */
  signal(...envelopes: Bytes[]): Promise<void> {
    const frames = envelopes.map((record) => [
      ...wire.frame(1, wire.signalRecord(this.#to, this.#epoch, wire.frame(1, record))),
    ]);
    return this.#page.run(({ bare }, frames) => bare.say(frames), frames);
  }

  /** A good description of a fresh connection of this page. */
  describe(): Promise<string> {
    return this.#page.run(({ bare }, labels) => bare.offer(labels), LABELS);
  }

  nextGeneration(): number {
    this.#generation += GENERATIONS;
    return this.#generation;
  }

  /** Makes a direct connection, and says which session it means: the one it had, or another. */
  async connect({ anew = false } = {}): Promise<void> {
    if (anew) this.#session += 1;
    const sdp = await this.describe();
    let answer: string | undefined;
    await expect
      .poll(
        async () => {
          // The other end may be trying by itself, or have heard enough offers for now.
          const generation = this.nextGeneration();
          await this.signal(wire.offerRecord(generation, sdp));
          for (let looks = 0; looks < 20 && answer === undefined; looks += 1) {
            const heard = await this.#page.run(({ bare }) => bare.takeHeard());
            for (const one of wire.answersIn(heard)) {
              if (one.generation === generation) answer = one.sdp;
            }
            await new Promise((soon) => setTimeout(soon, 50));
          }
          return answer !== undefined;
        },
        { message: "an answer to a plain offer" },
      )
      .toBe(true);
    await this.#page.run(({ bare }, answer) => bare.accept(answer), answer ?? "");
    await this.control(wire.beginRecord(this.#session, 0));
  }

  /** Says records on the control channel, each in a frame of its own. */
  control(...records: Bytes[]): Promise<boolean> {
    return this.send("peerloom", ...records.map((record) => wire.frame(1, record)));
  }

  /** Sends frames on a channel; false when the connection has ended. */
  send(label: BareChannel, ...frames: Bytes[]): Promise<boolean> {
    const given = { id: LABELS.indexOf(label), frames: frames.map((frame) => [...frame]) };
    return this.#page.run(({ bare }, { id, frames }) => bare.send(id, frames), given);
  }

  /**
   * Sends `count` frames: a kind, a number that grows from 1 on, what stands behind that, and zeros. Gives how many were sent
   * before the connection ended.
   */
  flood(label: BareChannel, count: number, kind: number, behind: Bytes, zeros: number): Promise<number> {
    const given = { id: LABELS.indexOf(label), count, kind, behind: [...behind], zeros };
    return this.#page.run(
      ({ bare }, { id, count, kind, behind, zeros }) =>
        bare.flood(id, count, zeros, (n) => [kind, ...bare.varint(n + 1), ...behind]),
      given,
    );
  }

  /** Says one record on the control channel so many times, as many in a frame as fit. */
  floodControl(count: number, record: Bytes): Promise<number> {
    const inFrame = Math.floor(1_000 / (record.length + 1));
    const frame = wire.frame(1, ...Array<Bytes>(inFrame).fill(record));
    return this.#page.run(({ bare }, { count, frame }) => bare.flood(0, count, 0, () => frame), {
      count: Math.ceil(count / inFrame),
      frame: [...frame],
    });
  }

  openUndeclared(count: number): Promise<void> {
    return this.#page.run(({ bare }, count) => bare.openUndeclared(count), count);
  }

  /** Waits until the other end has ended the connection. */
  async expectClosed(): Promise<void> {
    await expect.poll(() => this.#page.run(({ bare }) => bare.isClosed())).toBe(true);
  }
}
