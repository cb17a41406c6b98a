// Two honest members of one room, who tell each other numbers all the time and notice each that is missing.
import { createHash, randomBytes } from "node:crypto";
import { Client, sleep } from "./client.mjs";
import { join, signal } from "./frames.mjs";

/** Under the rate that the server allows. */
const EVERY_MS = 40;
const KIND_WELCOME = 0;
const KIND_JOINED = 1;
const KIND_SIGNAL = 3;
const KIND_THROTTLED = 8;

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

function readVarint(bytes, at) {
  let [value, shift, next] = [0, 1, at];
  for (; bytes[next] > 127; next += 1, shift *= 128) value += (bytes[next] & 127) * shift;
  return [value + bytes[next] * shift, next + 1];
}

class Member {
  sent = 0;
  heard = 0;
  /** The number that came last. */
  #last = 0;
  /** Of its messages, those that the server says it has not passed on: a page would say them again. */
  throttled = 0;
  /** What came otherwise than it should. */
  faults = [];
  #client;
  #key = randomBytes(32);
  #secret = randomBytes(32);
  id = sha256("peerloom id 2", this.#key, sha256(this.#secret)).subarray(0, 16);
  #other;
  #epoch;

  async join(port, room) {
    this.#client = new Client(port);
    this.#client.onMessage = (message) => this.#take(message);
    const joined = join(room, this.#key, this.#secret);
    if (!(await this.#client.open(port, { early: joined }))) throw new Error("the honest pair cannot join");
  }

  /** From now on the other one is talked to, whose stay has been heard of. */
  async talkTo(other) {
    this.#other = other.id;
    for (let looks = 0; looks < 200 && this.#epoch === undefined; looks += 1) await sleep(10);
    if (this.#epoch === undefined) throw new Error("the honest pair does not hear of each other");
  }

  get stay() {
    return { id: this.#other, epoch: this.#epoch };
  }

  tell() {
    this.sent += 1;
    const number = Buffer.alloc(4);
    number.writeUInt32BE(this.sent);
    this.#client.say(signal(this.stay, number));
  }

  #take(message) {
    for (let [length, at] = readVarint(message, 1); at < message.length; ) {
      this.#record(message.subarray(at, at + length));
      if (at + length >= message.length) break;
      [length, at] = readVarint(message, at + length);
    }
  }

  #record(record) {
    const kind = record[0];
    if (kind === KIND_SIGNAL && this.#other !== undefined && record.subarray(1, 17).equals(this.#other)) {
      const number = record.readUInt32BE(record.length - 4);
      if (number <= this.#last) this.faults.push(`${number} came behind ${this.#last}`);
      this.#last = number;
      this.heard += 1;
    }
    if (kind === KIND_THROTTLED) this.throttled += 1;
    // Wherever the other one is named first, its stay follows.
    const at =
      (kind === KIND_WELCOME || kind === KIND_JOINED) && this.#partner ? record.indexOf(this.#partner) : -1;
    if (at > 0 && this.#epoch === undefined) [this.#epoch] = readVarint(record, at + 16);
  }

  #partner;
  /** Whom to look for among those who are named. */
  expect(other) {
    this.#partner = other.id;
  }

  get closeCode() {
    return this.#client.closeCode;
  }

  get isIn() {
    return this.#client.isOpen && this.#client.closeCode === undefined;
  }

  end() {
    this.#client.end();
  }
}

export class Pair {
  room = `honest ${randomBytes(6).toString("hex")}`;
  members = [new Member(), new Member()];
  #timer;

  async start(port) {
    const [a, b] = this.members;
    a.expect(b);
    b.expect(a);
    await a.join(port, this.room);
    await b.join(port, this.room);
    await a.talkTo(b);
    await b.talkTo(a);
    this.#timer = setInterval(() => {
      for (const member of this.members) member.tell();
    }, EVERY_MS);
  }

  /** Their stays, as everybody in the room knows them. */
  get stays() {
    return this.members.map((member) => member.stay);
  }

  /** Ends the talking; gives what went wrong, one line each. */
  async finish() {
    clearInterval(this.#timer);
    const [a, b] = this.members;
    const owes = (from, to) => from.sent - to.heard - from.throttled;
    for (let looks = 0; looks < 200 && (owes(a, b) > 0 || owes(b, a) > 0); looks += 1) await sleep(25);
    const faults = this.members.flatMap(({ faults }) => faults.slice(0, 3));
    for (const [from, to] of [
      [a, b],
      [b, a],
    ]) {
      if (!from.isIn) faults.push(`one of the honest pair was sent away (${from.closeCode ?? "no code"})`);
      if (owes(from, to) !== 0)
        faults.push(`${from.sent} were sent, ${from.throttled} told as not passed on, and ${to.heard} heard`);
    }
    for (const member of this.members) member.end();
    return faults;
  }
}
