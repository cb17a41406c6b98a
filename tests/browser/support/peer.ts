// One page of one browser, driven the same way in Chromium and Firefox.
import { expect } from "@playwright/test";
import type { Happening, Harness, Joining, Label, Note } from "../pages/harness.ts";
import type { BrowserName } from "./browsers.ts";

export type { Harness, Note };

/** What Playwright's and Puppeteer's pages have in common. */
export interface Driver {
  readonly name: BrowserName;
  /** Gives what the expression does, awaited. */
  evaluate(expression: string): Promise<unknown>;
  goto(url: string): Promise<unknown>;
  close(): Promise<void>;
  /** Closes the page alone: what it has stored stays. */
  closePage(): Promise<void>;
  /** A new page that finds what this one has stored. */
  beside(): Promise<Driver>;
  /** Bytes of JavaScript's objects and buffers that are in use, after a collection; for browsers that tell. */
  heapBytes?(): Promise<number>;
  /** Objects of a class that nobody could collect; for browsers that tell. */
  living?(className: string): Promise<number>;
  /** Ends the page's process, for browsers that give each page one of its own. */
  crash?(): Promise<void>;
  /** Errors that nobody caught in the page. */
  readonly uncaught: string[];
}

/** A page with the harness of `pages/`. */
export class Peer {
  readonly #driver: Driver;
  #id = "";

  private constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** A new page of the same browser that finds what this one has stored, also after it was closed. */
  beside(): Promise<Driver> {
    return this.#driver.beside();
  }

  static async open(driver: Driver, server: string): Promise<Peer> {
    await driver.goto(`${server}/test/peer.html`);
    await expect.poll(() => driver.evaluate("'harness' in globalThis")).toBe(true);
    return new Peer(driver);
  }

  get browser(): BrowserName {
    return this.#driver.name;
  }

  /** The id in the room joined last. */
  get id(): string {
    return this.#id;
  }

  /** Runs a function in the page. It must not name anything outside itself; `given` must be JSON. */
  run<R, A = undefined>(work: (harness: Harness, given: A) => R | Promise<R>, given?: A): Promise<R> {
    const argument = given === undefined ? "undefined" : JSON.stringify(given);
    // Firefox gives no promise of a void back otherwise.
    return this.#driver.evaluate(`(async () => (${work})(globalThis.harness, ${argument}))()`) as Promise<R>;
  }

  async join(room: string, options: Omit<Joining, "room" | "signal"> = {}): Promise<string> {
    this.#id = await this.run((h, joining) => h.joinRoom(joining), { room, ...options });
    return this.#id;
  }

  /** As {@link run}, for work that joins a room. */
  async joinWith<A>(work: (harness: Harness, given: A) => Promise<void>, given: A): Promise<void> {
    await this.run(work, given);
    this.#id = await this.run((h) => h.state.room.self.id);
  }

  leave(): Promise<void> {
    return this.run((h) => h.state.room.leave());
  }

  /** Sends a note, to all or to one. */
  note(text: string, to?: Peer): Promise<void> {
    return this.run((h, { text, to }) => h.state.room.note.send({ text, n: text.length }, to ? { to } : {}), {
      text,
      to: to?.id,
    });
  }

  /** The texts of the notes heard so far, each with its sender. */
  async notes(): Promise<string[]> {
    const heard = (await this.received("note")) as { from: string; data: Note }[];
    return heard.map(({ from, data }) => `${from}: ${data.text}`);
  }

  received(label: Label): Promise<{ from: string; data: unknown }[]> {
    return this.run((h, label) => h.state.received[label], label);
  }

  happenings(event?: Happening["event"]): Promise<Happening[]> {
    return this.run(
      (h, event) => h.state.happenings.filter((h) => event === undefined || h.event === event),
      event,
    );
  }

  /** What happened to another peer, as states in order. */
  async statesOf(other: Peer | string): Promise<(string | undefined)[]> {
    const id = typeof other === "string" ? other : other.id;
    return (await this.happenings("peer")).filter(({ peer }) => peer === id).map(({ state }) => state);
  }

  /** The ways messages to another peer went, in order. */
  async pathsTo(other: Peer): Promise<(string | undefined)[]> {
    return (await this.happenings("path")).filter(({ peer }) => peer === other.id).map(({ state }) => state);
  }

  /** Every peer's path, by id. */
  paths(): Promise<Record<string, string>> {
    return this.run((h) => Object.fromEntries([...h.state.room.peers].map(([id, { path }]) => [id, path])));
  }

  /** Waits until there is a direct path to these peers and to nobody else. */
  async expectPeers(...others: Peer[]): Promise<void> {
    const expected = Object.fromEntries(others.map(({ id }) => [id, "direct"]));
    await expect
      .poll(() => this.paths(), { message: `peers of ${this.browser} ${this.id}` })
      .toEqual(expected);
  }

  /**
   * Bytes that the page holds: in JavaScript, in WebAssembly, and handed to its channels; undefined where the browser does
   * not tell. Needs `watchMemory` and `watchChannels`.
   */
  async heldBytes(): Promise<number | undefined> {
    const heap = await this.#driver.heapBytes?.();
    return heap && heap + (await this.run((h) => h.faults.wasmBytes() + h.faults.bufferedBytes()));
  }

  close(): Promise<void> {
    return this.#driver.close();
  }

  /** As its reader would close a tab: what it has stored stays. */
  closePage(): Promise<void> {
    return this.#driver.closePage();
  }

  /** RTCPeerConnections that cannot be collected, closed ones too; undefined where the browser does not tell. */
  livingConnections(): Promise<number> | undefined {
    return this.#driver.living?.("RTCPeerConnection");
  }

  /** Crashes: nothing can say goodbye. Other pages of the browser live on. */
  async crash(): Promise<void> {
    if (this.#driver.crash === undefined) throw new Error(`${this.browser} cannot crash alone`);
    await this.#driver.crash();
  }

  goto(url: string): Promise<unknown> {
    return this.#driver.goto(url);
  }

  /** Loads the page anew, as its reader would. */
  async reload(): Promise<void> {
    await this.#driver.evaluate("harness.kept.old = true, void setTimeout(() => location.reload(), 0)");
    await expect
      .poll(() =>
        this.#driver
          .evaluate("globalThis.harness?.kept.old === undefined && 'harness' in globalThis")
          .catch(() => false),
      )
      .toBe(true);
  }
}

/** Waits until all of them are connected with each other. */
export async function expectMesh(...peers: Peer[]): Promise<void> {
  await Promise.all(peers.map((peer) => peer.expectPeers(...peers.filter((other) => other !== peer))));
}
