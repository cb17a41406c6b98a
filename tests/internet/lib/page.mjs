// A page of one browser at one host, and the browser.
import { within } from "./wait.mjs";

/** Longer takes no call into a page that runs. */
const CALL_MS = 30_000;

export class Browser {
  #world;
  #host;
  #number;

  constructor(world, host, number, kind) {
    this.#world = world;
    this.#host = host;
    this.#number = number;
    this.kind = kind;
  }

  get host() {
    return this.#host;
  }

  get number() {
    return this.#number;
  }

  async #signal(signal, what) {
    await this.#host.do("signalBrowser", { browser: this.#number, signal });
    return this.#world.note(`${this.kind} at ${this.#host.name} ${what}`);
  }

  /** Stops all its processes, as on a laptop that falls asleep. */
  freeze = () => this.#signal("SIGSTOP", "is stopped");
  thaw = () => this.#signal("SIGCONT", "goes on");
  /** As in a crash: nothing can say goodbye. */
  kill = () => this.#signal("SIGKILL", "is killed");
}

export class Page {
  #world;
  #number;
  #joining;

  constructor(world, browser, number, name) {
    this.#world = world;
    this.browser = browser;
    this.name = name;
    this.#number = number;
    this.id = "";
  }

  #do(name, options = {}, limitMs = CALL_MS) {
    const asked = this.browser.host.do(name, { page: this.#number, ...options });
    return within(limitMs, asked, `${name} in page ${this.name}`);
  }

  /** Runs a function in the page. It gets `conversation` and must not name anything outside itself. */
  run(work, given, limitMs = CALL_MS) {
    const argument = given === undefined ? "undefined" : JSON.stringify(given);
    // Firefox gives no promise of a void back otherwise.
    const expression = `(async () => (${work})(globalThis.conversation, ${argument}))()`;
    return this.#do("evaluate", { expression }, limitMs);
  }

  /** Joins a room and begins to talk; gives how long that took. */
  async join(options = {}) {
    this.#joining = { room: this.#world.room, ...options };
    return this.#entered(await this.run((page, joining) => page.start(joining), this.#joining));
  }

  #entered({ id, joinedMs }) {
    this.id = id;
    this.#world.named(id, this.name);
    return joinedMs;
  }

  /** What this page has been told about another one, as states in order. */
  statesOf(other, since = 0) {
    return this.#world.timeline
      .events(this.name, { type: "peer", peer: other.id }, since)
      .map(({ state }) => state);
  }

  /** Waits until the page has told of an event with these fields; gives it. */
  event(wanted, { since = 0, limitMs = 30_000 } = {}) {
    const what = `${this.name} to tell ${JSON.stringify(wanted)}`;
    return this.#world.until(what, () => this.#world.timeline.events(this.name, wanted, since)[0], limitMs);
  }

  /** Waits until another page counts as in this state; gives the event. */
  sees(other, state, options = {}) {
    return this.event({ type: "peer", peer: other.id, state }, options);
  }

  /** Messages of another page on the ordered channel: `{ sentAt, cameAt, path }` in the order they came. */
  async arrivals(other) {
    const rows = await this.run((page, peer) => page.arrivals(peer), other.id);
    return rows.map(([sentAt, cameAt, path]) => ({ sentAt, cameAt, path }));
  }

  /** Waits for a message of another page that came at this time or later; gives it. */
  hears(other, cameSince, limitMs = 30_000) {
    const find = async () => (await this.arrivals(other)).find(({ cameAt }) => cameAt >= cameSince);
    return this.#world.until(`${this.name} to hear ${other.name}`, find, limitMs);
  }

  /** Waits for a message of another page that was sent at this time or later; gives it. */
  hearsWhatIsSent(other, sentSince, limitMs = 30_000) {
    const find = async () => (await this.arrivals(other)).find(({ sentAt }) => sentAt >= sentSince);
    return this.#world.until(`${this.name} to hear ${other.name}`, find, limitMs);
  }

  report = () => this.run((page) => page.report());
  stop = () => this.run((page) => page.stop());

  /** Stops the page's scripts, as a debugger does. */
  async pause() {
    await this.#do("pause");
    return this.#world.note(`page ${this.name} is paused`);
  }

  async resume() {
    await this.#do("resume");
    return this.#world.note(`page ${this.name} goes on`);
  }

  /** Puts another tab in front, in a browser that is `hideable`; gives the time when the page is hidden. */
  async hide() {
    await this.#do("cover");
    await this.#visibility("hidden");
    return this.#world.note(`page ${this.name} is in the background`);
  }

  async show() {
    await this.#do("uncover");
    await this.#visibility("visible");
    return this.#world.note(`page ${this.name} is in front again`);
  }

  #visibility(wanted) {
    const is = () => this.run(() => document.visibilityState);
    return this.#world.until(`${this.name} to be ${wanted}`, async () => (await is()) === wanted, 10_000);
  }

  /** Loads the page anew and joins again; gives when that began. */
  async reload() {
    const at = this.#world.note(`page ${this.name} is reloaded`);
    await this.#do("reload");
    this.#entered(await this.run((page, joining) => page.start(joining), this.#joining));
    return at;
  }

  /** Goes to another page of the server. */
  async goAway() {
    const at = this.#world.note(`page ${this.name} goes elsewhere`);
    await this.#do("goto", { url: `${this.#world.server.origin}/healthz` });
    return at;
  }

  /** Goes back; the page may be as it was left. */
  async goBack() {
    const at = this.#world.note(`page ${this.name} comes back`);
    await this.#do("back");
    return at;
  }

  /** Reads anew under which id it is in the room. */
  async refreshId() {
    const { id } = await this.report();
    this.#entered({ id });
  }

  async close() {
    await this.#do("close");
    this.#world.note(`page ${this.name} is closed`);
  }
}
