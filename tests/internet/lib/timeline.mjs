// Everything that happened, in the order of time: what pages told, what servers logged, what was done to them.

export class Timeline {
  #began = Date.now();
  #entries = [];

  /** Notes something; `at` is milliseconds of the epoch. Gives that time. */
  note(who, text, { at = Date.now(), event } = {}) {
    this.#entries.push({ at, who, text, event });
    return at;
  }

  /** Events that a test looks at, in the order of time. `wanted` gives fields that must be so; `since` a time. */
  events(who, wanted = {}, since = 0) {
    const fits = ({ event }) => Object.entries(wanted).every(([key, value]) => event?.[key] === value);
    return this.#sorted()
      .filter((entry) => entry.who === who && entry.at >= since && fits(entry))
      .map(({ at, event }) => ({ ...event, at }));
  }

  #sorted() {
    return [...this.#entries].sort((one, other) => one.at - other.at);
  }

  /** One line for each entry, with seconds since the start. */
  lines() {
    const width = Math.max(0, ...this.#entries.map(({ who }) => who.length));
    return this.#sorted().map(({ at, who, text }) => {
      const seconds = ((at - this.#began) / 1000).toFixed(3).padStart(8);
      return `${seconds} s  ${who.padEnd(width)}  ${text}`;
    });
  }
}
