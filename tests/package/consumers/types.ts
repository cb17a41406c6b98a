// A user's code, checked and never run: what must be accepted, and what must be refused.
import {
  type Channel,
  channel,
  type JoinOptions,
  join,
  load,
  type Peer,
  type PeerEvent,
  PeerloomError,
  type Received,
  type Room,
} from "peerloom";

import { compact, list, option, record, text, u32, type ValueOf, variants } from "peerloom/compact";

interface Move {
  x: number;
  y: number;
}

const protocol = {
  chat: channel<{ text: string }>(),
  cursor: channel<Move>(undefined, { delivery: "latest" }),
  voice: channel<number[]>(undefined, { delivery: { lifetimeMs: 100 } }),
  file: channel.bytes({ delivery: "ordered", compress: true }),
  step: channel.of(compact(variants("kind", { go: { x: u32, by: option(text) }, stop: {} }))),
  own: channel.of<Date>({
    name: "date-1",
    encode: (date) => new TextEncoder().encode(date.toISOString()),
    decode: (bytes) => new Date(new TextDecoder().decode(bytes)),
  }),
};

const Row = record({ cells: list(text), note: option(text) });
export const row: ValueOf<typeof Row> = { cells: ["a"] };

export async function accepted(signal: AbortSignal): Promise<void> {
  await load();
  const options: JoinOptions<typeof protocol> = { room: "r", protocol, metadata: { name: "Ada" }, signal };
  await using room: Room<typeof protocol> = await join(new URL("https://example.org"), options);

  await room.chat.send({ text: "hello" });
  await room.file.send(new Uint8Array(4), { signal });
  await room.step.send({ kind: "go", x: 1 });
  await room.step.send({ kind: "stop" });
  room.step.on(({ data }) => console.log(data.kind === "go" ? data.x + (data.by?.length ?? 0) : data.kind));
  room.own.on(({ data }) => console.log(data.getTime()));
  const stop: () => void = room.cursor.on(({ from, data }) => {
    const peer: Peer = from;
    const x: number = data.x;
    void room.chat.send({ text: `${peer.id} is at ${x}` }, { to: peer });
  });
  stop();
  room.on("peer", ({ peer, state, reason }: PeerEvent) => console.log(peer.id, peer.path, state, reason));
  room.on("closed", ({ reason, error }) => console.log(reason, error?.code));
  for await (const { from, data } of room.chat) {
    const text: string = data.text;
    console.log(from.metadata, text);
    break;
  }
  const byLabel: Channel<Move> = room.channel("cursor");
  const handler = (message: Received<Move>): number => message.data.y;
  byLabel.on(handler);
  const stats = await [...room.peers.values()][0]?.stats();
  console.log(stats?.rttMs, room.stats().directBytesSent, room.self.id.toUpperCase());
  await room.leave();
}

export async function refused(): Promise<void> {
  const room = await join("ws://localhost:8080", { room: "r", protocol });
  // @ts-expect-error the payload has another type
  await room.chat.send({ text: 1 });
  // @ts-expect-error a bytes channel takes bytes
  await room.file.send("text");
  // @ts-expect-error a field has another type
  await room.step.send({ kind: "go", x: "1" });
  // @ts-expect-error there is no such variant
  await room.step.send({ kind: "run" });
  // @ts-expect-error a codec of dates takes dates
  await room.own.send("2026-01-01");
  // @ts-expect-error there is no such channel
  await room.nothing.send(1);
  // @ts-expect-error there is no such delivery
  channel<Move>(undefined, { delivery: "sometimes" });
  // @ts-expect-error the room's name is missing
  await join("ws://localhost:8080", { protocol });
  // @ts-expect-error peers are read-only
  room.peers.delete("x");
  try {
    await room.leave();
  } catch (error) {
    if (error instanceof PeerloomError) {
      // @ts-expect-error codes are a closed set
      console.log(error.code === "no-such-code");
    }
  }
}
