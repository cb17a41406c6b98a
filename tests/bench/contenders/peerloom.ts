// Peerloom as an application uses it. With `compress` or `compact` in the address objects travel so.
import { channel, join, load, type Peer, type Room } from "peerloom";
import { bool, compact, f64, list, record, text, u32, u53 } from "peerloom/compact";
import { offer } from "../pages/bench.ts";
import { type Contender, type Entry, type Events, type Other, setting } from "./contender.ts";

/** What the objects of `pages/bench.ts` look like. */
const shape = record({ n: u32, kind: text, x: f64, y: f64, by: text, tags: list(text), ok: bool, at: u53 });

const options = { compress: setting("compress") === 1 };
const compacted = channel.of<unknown>(compact(shape as never), options);
const objects = setting("compact") === 1 ? compacted : channel<unknown>(undefined, options);
const protocol = { bytes: channel.bytes(), objects };

class Peerloom implements Contender {
  readonly messageBytes = 16 * 1024;
  readonly floods = true;
  #room: Room<typeof protocol> | undefined;
  #kind: Entry["kind"] = "bytes";

  prepare(): Promise<unknown> {
    return load();
  }

  async enter({ room: name, kind, relay }: Entry, { came, connected, message }: Events): Promise<void> {
    const room = await join(location.origin, { room: name, protocol, relay });
    this.#room = room;
    this.#kind = kind;
    const others = new Map<Peer, Other>();
    const other = (peer: Peer): Other => {
      const known = others.get(peer);
      if (known !== undefined) return known;
      const made: Other = {
        send: (data) =>
          kind === "bytes"
            ? room.bytes.send(data as Uint8Array, { to: peer })
            : room.objects.send(data, { to: peer }),
      };
      others.set(peer, made);
      return made;
    };
    if (kind === "bytes") room.bytes.on(({ data, from }) => message(data, other(from)));
    else room.objects.on(({ data, from }) => message(data, other(from)));
    room.on("path", ({ path }) => {
      if (path === "direct") connected();
    });
    for (const { path } of room.peers.values()) if (path === "direct") connected();
    room.on("peer", ({ peer, state }) => {
      if (state === "joined") came(other(peer));
    });
  }

  sendAll(data: unknown): void {
    if (this.#kind === "bytes") void this.#room?.bytes.send(data as Uint8Array);
    else void this.#room?.objects.send(data);
  }

  leave(): void {
    void this.#room?.leave();
  }
}

offer(new Peerloom());
