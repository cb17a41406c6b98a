// Streams of bytes: exact, at the reader's pace, over whatever path there is, and each end hears why the other gave up.
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const PAIRS: [from: BrowserName, to: BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];
/** What may be under way unread: the window, what waits at the writer, and the write that made it too much. */
const MOST_UNREAD = 2 * 256 * 1024 + 2 * 64 * 1024;

/** Keeps every stream that is opened to this page as `kept.stream`. */
function listen(peer: Peer): Promise<void> {
  return peer.run((h) => void h.state.room.on("stream", (stream) => (h.kept.stream = stream)));
}

const name = (peer: Peer) =>
  peer.run((h) => (h.kept.stream as { name: string } | undefined)?.name ?? "nothing yet");

async function pair(open: (name: BrowserName) => Promise<Peer>, room: string, [from, to] = PAIRS[0] ?? []) {
  const [a, b] = [await open(from ?? "chromium"), await open(to ?? "chromium")];
  await a.join(room);
  await b.join(room);
  await listen(b);
  await expectMesh(a, b);
  return [a, b] as const;
}

/** Opens a stream to `to`, kept as `kept.stream`. */
function openStream(from: Peer, to: Peer, name: string): Promise<void> {
  return from.run(
    async (h, { to, name }) => {
      h.kept.stream = await h.state.room.peers.get(to)?.openStream(name);
    },
    { to: to.id, name },
  );
}

/** Writes random bytes at the pace that the stream allows, and closes it. */
function write(peer: Peer, seed: number, length: number): Promise<void> {
  return peer.run(
    (h, { seed, length }) => {
      const { writable } = h.kept.stream as { writable: WritableStream<Uint8Array> };
      const writer = writable.getWriter();
      const bytes = h.randomBytes(seed, length);
      h.kept.written = 0;
      h.kept.waits = 0;
      h.kept.done = (async () => {
        for (let at = 0; at < length; at += 65_536) {
          if ((writer.desiredSize ?? 0) <= 0) h.kept.waits = Number(h.kept.waits) + 1;
          await writer.ready;
          void writer.write(bytes.subarray(at, at + 65_536));
          h.kept.written = Math.min(at + 65_536, length);
        }
        await writer.close();
      })();
    },
    { seed, length },
  );
}

/** Reads until there are `until` bytes, or to the end. Gives how many there are and, at the end, their digest. */
function read(peer: Peer, until: number | null): Promise<{ length: number; digest: string | undefined }> {
  return peer.run(async (h, until) => {
    const { readable } = h.kept.stream as { readable: ReadableStream<Uint8Array> };
    h.kept.reader ??= readable.getReader();
    h.kept.chunks ??= [];
    const reader = h.kept.reader as ReadableStreamDefaultReader<Uint8Array>;
    const chunks = h.kept.chunks as Uint8Array[];
    const length = () => chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    while (until === null || length() < until) {
      const { done, value } = await reader.read();
      if (done)
        return {
          length: length(),
          digest: await h.digest(new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer())),
        };
      chunks.push(value);
    }
    return { length: length(), digest: undefined };
  }, until);
}

const digestOf = (peer: Peer, seed: number, length: number) =>
  peer.run((h, { seed, length }) => h.digest(h.randomBytes(seed, length)), { seed, length });

const written = (peer: Peer) => peer.run((h) => Number(h.kept.written));

for (const browsers of PAIRS) {
  test(`${browsers.join(" to ")}: 20 MB arrive exactly, at the pace of a slow reader`, async ({
    open,
    room,
    seed,
  }) => {
    const length = 20_000_000;
    const [a, b] = await pair(open, room, browsers);
    await openStream(a, b, "file");
    await write(a, seed, length);
    await expect.poll(() => name(b)).toBe("file");
    for (const until of [0, 1_000_000, 5_000_000]) {
      const { length: taken } = await read(b, until);
      // The writer comes to a stop, and not far ahead.
      let before = -1;
      await expect
        .poll(async () => {
          const [last, now] = [before, await written(a)];
          before = now;
          return now === last;
        })
        .toBe(true);
      expect(before).toBeGreaterThan(taken);
      expect(before - taken).toBeLessThanOrEqual(MOST_UNREAD);
    }
    expect(await read(b, null)).toEqual({ length, digest: await digestOf(a, seed, length) });
    await a.run((h) => h.kept.done as Promise<void>);
    expect(await a.run((h) => Number(h.kept.waits))).toBeGreaterThan(10);
  });
}

for (const browsers of PAIRS.slice(0, 2)) {
  test(`${browsers.join(" to ")}: a stream goes on when the connection breaks, through the server and back`, async ({
    open,
    room,
    seed,
  }) => {
    const length = 6_000_000;
    const [a, b] = await pair(open, room, browsers);
    await a.run((h) => {
      const paths: string[] = [];
      h.kept.paths = paths;
      h.state.room.on("path", ({ path }) => void paths.push(path));
    });
    await openStream(a, b, "file");
    await write(a, seed, length);
    await expect.poll(() => name(b)).toBe("file");
    await read(b, 2_000_000);
    await a.run((h, to) => h.state.room.peers.get(to)?.connection?.close(), b.id);
    await read(b, 3_000_000);
    await b.run((h, to) => h.state.room.peers.get(to)?.connection?.close(), a.id);
    expect(await read(b, null)).toEqual({ length, digest: await digestOf(a, seed, length) });
    await expectMesh(a, b);
    expect(await a.run((h) => h.kept.paths)).toEqual(expect.arrayContaining(["relay", "direct"]));
  });
}

test("both directions of many streams at once: what is sent comes back", async ({ open, room, seed }) => {
  const [a, b] = await pair(open, room, PAIRS[1]);
  await b.run((h) => {
    h.state.room.on("stream", ({ readable, writable }) => void readable.pipeTo(writable));
  });
  const same = await a.run(
    async (h, { to, seed }) => {
      const echo = async (index: number) => {
        const bytes = h.randomBytes(seed + index, 50_000 * index);
        const stream = await h.state.room.peers.get(to)?.openStream(`echo ${index}`);
        if (stream === undefined) throw new Error("no peer");
        const back = new Response(stream.readable).arrayBuffer();
        const writer = stream.writable.getWriter();
        void writer.write(bytes);
        void writer.close();
        return (await h.digest(new Uint8Array(await back))) === (await h.digest(bytes));
      };
      return Promise.all(Array.from({ length: 20 }, (_, index) => echo(index)));
    },
    { to: b.id, seed },
  );
  expect(same).toEqual(Array.from({ length: 20 }, () => true));
});

type Streams = { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> };

test("whoever reads hears why the writer aborted", async ({ open, room }) => {
  const [a, b] = await pair(open, room, PAIRS[1]);
  await openStream(a, b, "given up");
  await expect.poll(() => name(b)).toBe("given up");
  for (const [writer, reader] of [
    [a, b],
    [b, a],
  ] as const) {
    await writer.run((h) => (h.kept.stream as Streams).writable.abort(new Error("never mind")));
    const failure = await reader.run((h) =>
      h.failure((h.kept.stream as Streams).readable.getReader().read()),
    );
    expect(failure).toMatchObject({ code: "stream-aborted", isPeerloomError: true });
    expect(failure?.message).toContain("never mind");
  }
});

test("whoever writes hears why the reader cancelled", async ({ open, room }) => {
  const [a, b] = await pair(open, room, PAIRS[2]);
  await openStream(a, b, "enough");
  await expect.poll(() => name(b)).toBe("enough");
  for (const [writer, reader] of [
    [a, b],
    [b, a],
  ] as const) {
    await reader.run((h) => (h.kept.stream as Streams).readable.cancel("enough"));
    const failure = await writer.run((h) =>
      h.failure((h.kept.stream as Streams).writable.getWriter().closed),
    );
    expect(failure).toMatchObject({ code: "stream-cancelled", isPeerloomError: true });
    expect(failure?.message).toContain("enough");
  }
});

test("a stream that nobody listens for is refused", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await openStream(a, b, "anybody?");
  const failures = await a.run(async (h) => {
    const { readable, writable } = h.kept.stream as Streams;
    return Promise.all([h.failure(readable.getReader().read()), h.failure(writable.getWriter().closed)]);
  });
  for (const failure of failures) expect(failure).toMatchObject({ code: "no-handler" });
});

test("streams end when the peer leaves; one that had ended is read to its end", async ({ open, room }) => {
  const [a, b] = await pair(open, room, PAIRS[1]);
  await openStream(a, b, "whole");
  await a.run(async (h) => {
    const writer = (h.kept.stream as Streams).writable.getWriter();
    await writer.write(new Uint8Array(100_000));
    await writer.close();
  });
  await expect.poll(() => name(b)).toBe("whole");
  await b.run((h) => {
    h.kept.whole = h.kept.stream;
  });
  await openStream(a, b, "open");
  await expect.poll(() => name(b)).toBe("open");
  await a.leave();
  await expect.poll(() => b.statesOf(a)).toContain("left");
  const failure = await b.run((h) => h.failure((h.kept.stream as Streams).readable.getReader().read()));
  expect(failure).toMatchObject({ code: "peer-gone" });
  const length = await b.run(
    async (h) => (await new Response((h.kept.whole as Streams).readable).arrayBuffer()).byteLength,
  );
  expect(length).toBe(100_000);
  const opening = await b.run((h, to) => h.state.room.peers.has(to), a.id);
  expect(opening).toBe(false);
});

test("a peer that breaks the rules of streams loses its session, and gets a new one", async ({
  open,
  room,
}) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await b.run((h) => h.faults.watchChannels());
  await a.join(room);
  await b.join(room);
  await listen(a);
  await expectMesh(a, b);
  // A frame with one message: bytes on stream 8, which was never opened.
  await b.run((h) => h.faults.sendRaw("peerloom.more", [0, 0, 1, 3, 1, 8, 5]));
  await expect
    .poll(async () => (await a.happenings("invalid")).map(({ code }) => code))
    .toContain("bad-stream-id");
  await expect.poll(() => a.statesOf(b)).toEqual(["joined", "connected", "left", "joined", "connected"]);
  await expectMesh(a, b);
  await openStream(b, a, "again");
  await expect.poll(() => name(a)).toBe("again");
});
