/**
 * Who is here and what we know of each: the one piece of state that the panels share.
 *
 * It listens to the room and tells the panels that something changed; they read and redraw. It also measures
 * our own links and passes the result on, so that everyone can draw the whole mesh and not just their corner.
 */
import { type Peer, recordStats, type SafetyCode, type StatsRecord } from "peerloom";
import type { DemoRoom } from "./room";
import { type LinkPath, type LinkReport, type Profile, parseProfile } from "./schemas";

export interface Person {
  readonly peer: Peer;
  name: string;
  dye: number;
  /** The round trip on our link to them, once measured. */
  rttMs?: number;
  /** Counts and measures of our link over the last minutes. */
  readonly record: StatsRecord;
  /** What they and we can compare, to know that nobody is in between. */
  code?: SafetyCode;
  /** What they say about their own links. */
  links: LinkReport[];
}

/** A line of the picture: two ids and how they are connected. */
export interface Link {
  a: string;
  b: string;
  path: LinkPath;
  rttMs?: number;
}

export interface CrowdEvents {
  /** Someone or something changed: redraw. */
  changed(): void;
  arrived(person: Person): void;
  departed(person: Person): void;
}

/** How often links are told to the others. */
const TELL_MS = 2000;
/** Each link is measured once a second, and five minutes of that are kept. */
const RECORD = { everyMs: 1000, keep: 300 };

export class Crowd {
  readonly people = new Map<string, Person>();
  readonly #room: DemoRoom;
  readonly #me: () => Profile;
  readonly #events: CrowdEvents;

  constructor(room: DemoRoom, me: () => Profile, events: CrowdEvents) {
    this.#room = room;
    this.#me = me;
    this.#events = events;
    room.on("peer", ({ peer, state }) => {
      if (state === "left") this.#remove(peer);
      // In a room with a passphrase whoever has another joins too, and then there is no path. Nobody is here before there is one.
      else if (state !== "joined" || !room.security.includes("passphrase")) this.#add(peer);
      if (state === "connected") void this.#compare(peer);
      this.#events.changed();
    });
    // The picture follows the paths as they change, here and at the others.
    room.on("path", ({ peer, rttMs }) => {
      this.#measured(peer, rttMs);
      this.#tell();
    });
    room.profile.on(({ from, data }) => this.#update(from, data));
    room.links.on(({ from, data }) => this.#update(from, { links: data }));
    setInterval(() => this.#tell(), TELL_MS);
  }

  /** Tells everyone our name and colour. "latest" messages may be lost, so it is said again and again. */
  announce(): void {
    this.#room.profile.send(this.#me()).catch(ignore);
  }

  /** Every link we know of between people who are here, each once; our own measurements come first. */
  links(): Link[] {
    const self = this.#room.self.id;
    const links = new Map<string, Link>();
    const add = (a: string, b: string, path: LinkPath, rttMs: number | undefined): void => {
      const key = a < b ? `${a} ${b}` : `${b} ${a}`;
      if (links.has(key)) return;
      links.set(key, { a, b, path, ...(rttMs === undefined ? {} : { rttMs }) });
    };
    for (const person of this.people.values()) add(self, person.peer.id, person.peer.path, person.rttMs);
    for (const person of this.people.values()) {
      for (const { to, path, rttMs } of person.links) {
        if (this.people.has(to) && to !== person.peer.id) add(person.peer.id, to, path, rttMs);
      }
    }
    return [...links.values()];
  }

  #add(peer: Peer): void {
    if (this.people.has(peer.id)) return;
    const record = recordStats(peer, { ...RECORD, onSample: ({ rttMs }) => this.#measured(peer, rttMs) });
    const person: Person = { peer, ...profileOf(peer), links: [], record };
    this.people.set(peer.id, person);
    this.#events.arrived(person);
  }

  #remove(peer: Peer): void {
    const person = this.people.get(peer.id);
    if (!person) return;
    this.people.delete(peer.id);
    person.record.stop();
    this.#events.departed(person);
  }

  #update(from: Peer, change: Partial<Person>): void {
    const person = this.people.get(from.id);
    if (!person) return;
    Object.assign(person, change);
    this.#events.changed();
  }

  async #compare(peer: Peer): Promise<void> {
    // Without a code there is none to show: the peer has left, or the room told why.
    const code = await peer.safetyCode().catch(ignore);
    if (code && this.people.get(peer.id)?.peer === peer) this.#update(peer, { code });
  }

  #measured(peer: Peer, rttMs: number | undefined): void {
    const person = this.people.get(peer.id);
    if (!person) return;
    if (rttMs === undefined || peer.path === "connecting") delete person.rttMs;
    else person.rttMs = rttMs;
  }

  #tell(): void {
    const people = [...this.people.values()];
    if (people.length === 0) return;
    this.announce();
    const report = people.map(({ peer, rttMs }) => ({
      to: peer.id,
      path: peer.path,
      ...(rttMs === undefined ? {} : { rttMs: Math.round(rttMs * 10) / 10 }),
    }));
    this.#room.links.send(report).catch(ignore);
    this.#events.changed();
  }
}

/** The profile a peer joined with. Nobody has checked metadata, so anything odd becomes a plain "Guest". */
function profileOf(peer: Peer): Profile {
  try {
    return parseProfile(peer.metadata);
  } catch {
    return { name: "Guest", dye: 0 };
  }
}

/** For sends whose loss does not matter: the peer left meanwhile, or the next beat says it again. */
function ignore(): void {}
