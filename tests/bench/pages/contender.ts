// What every page under measurement offers, as `globalThis.contender`: whoever can greet a newcomer can be compared.

/** When things happened, in milliseconds since the newcomer's page began to join. */
export interface Arrival {
  /** The room (or the server, for those who have no rooms) let it in. */
  joinedMs: number;
  /** The first message from the resident was read. */
  messageMs: number;
  /** How that message came. */
  path: string;
}

/** Whether messages may go through the server first; for those who can. */
export type Relay = "first" | "never";

export interface Contender {
  /** Loads whatever can be loaded before the clock starts. */
  prepare(): Promise<void>;
  /** Enters the room, and greets whoever comes after, as early as possible. */
  stay(room: string, relay: Relay): Promise<void>;
  /** Enters the room and waits for the greeting. */
  arrive(room: string, relay: Relay): Promise<Arrival>;
}

declare global {
  var contender: Contender;
}
