// What every library under measurement offers, in its own words. All the rest of a measurement is the same for all.

/** What one page carries to another in a trial: plain bytes, or objects that arrive as objects. */
export type Kind = "bytes" | "objects";

export interface Entry {
  /** Names what belongs together. Nobody else is in it. */
  readonly room: string;
  /** The how many-th in the room this is, from 0, for those who have no rooms. */
  readonly index: number;
  readonly kind: Kind;
  /** Whether messages may go through the server until there is a direct path; for those who can. */
  readonly relay: "first" | "never";
}

/** Somebody in the room who can be sent to. */
export interface Other {
  /** Sends to this one. A promise tells when the next may follow. */
  send(message: unknown): Promise<unknown> | undefined;
}

export interface Events {
  /** Somebody came. What is sent now arrives, however it does. */
  came(other: Other): void;
  /** One more is reached directly. */
  connected(): void;
  message(message: unknown, from: Other): void;
}

export interface Contender {
  /** What a long transfer is best cut into. */
  readonly messageBytes: number;
  /** Whether many small messages may be sent without waiting for each. */
  readonly floods: boolean;
  /** Loads whatever can be loaded before the clock starts. */
  prepare(): Promise<unknown>;
  /** Enters the room; resolves once let in. */
  enter(entry: Entry, events: Events): Promise<unknown>;
  /** Sends to all; for those who have a word for it. */
  sendAll?(message: unknown): void;
  leave(): void;
}

/** A number in the page's address, such as a port or a setting. */
export function setting(name: string, otherwise = 0): number {
  return Number(new URLSearchParams(location.search).get(name) ?? otherwise);
}
