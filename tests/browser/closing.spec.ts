// A transfer is ended behind its first chunk, its second, and so on, in every way one can be ended. What was sent before a
// close arrives, all of it; whoever gives up is understood at the other end, and at once; a connection that breaks ends nothing.
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

test.describe.configure({ mode: "parallel" });

const PAIRS: [from: BrowserName, to: BrowserName][] = [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];
const CHUNKS = 24;
/** In all more than the windows of streams and of channels. */
const CHUNK_BYTES = 60_000;
/** From giving up to the error at the other end. Machines are shared: three times as long is a failure. */
const PROMISED_MS = 1_000;

const everyChunk = Array.from({ length: CHUNKS + 1 }, (_, k) => k);

/** What became of a stream at its reader. */
interface End {
  bytes: number;
  digest: string;
  /** Why reading failed, and when. */
  error: { code: string | undefined; message: string } | null;
  at: number;
}

/** Reads every stream that comes in to its end, or cancels where its name says so; the ends are kept as `kept.ends`. */
function readAll(peer: Peer): Promise<void> {
  return peer.run((h) => {
    const ends: Record<string, End> = {};
    h.kept.ends = ends;
    const read = async (name: string, readable: ReadableStream<Uint8Array>) => {
      const [, cancelAt = Number.POSITIVE_INFINITY] = /^cancel (\d+)/.exec(name) ?? [];
      const reader = readable.getReader();
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      let error = null;
      try {
        while (bytes < Number(cancelAt)) {
          const { done, value } = await reader.read();
          if (done) break;
          chunks.push(value);
          bytes += value.length;
        }
      } catch (caught) {
        const { code, message } = caught as { code?: string; message: string };
        error = { code, message };
      }
      const at = Date.now();
      if (bytes >= Number(cancelAt)) await reader.cancel(`enough after ${cancelAt}`);
      const whole = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
      ends[name] = { bytes, digest: await h.digest(whole), error, at };
    };
    h.state.room.on("stream", ({ name, readable }) => void read(name, readable));
  });
}

async function endOf(peer: Peer, name: string): Promise<End> {
  const end = () => peer.run(({ kept }, name) => (kept.ends as Record<string, End>)[name] ?? null, name);
  await expect.poll(end, { message: name }).not.toBeNull();
  return (await end()) as End;
}

/** The digest of the first bytes of what {@link write} writes. */
const digestOf = (peer: Peer, seed: number, length: number) =>
  peer.run((h, { seed, length, most }) => h.digest(h.randomBytes(seed, most).subarray(0, length)), {
    seed,
    length,
    most: CHUNKS * CHUNK_BYTES,
  });

type Ending = "close" | "abort";

/** Opens a stream, writes some chunks at its pace and ends it right behind them. Gives how writing ended, and when. */
function write(
  from: Peer,
  to: Peer,
  { name, seed, chunks, ending }: { name: string; seed: number; chunks: number; ending: Ending },
) {
  return from.run(
    async (h, { to, name, seed, chunks, ending, size, most }) => {
      const stream = await h.state.room.peers.get(to)?.openStream(name);
      if (stream === undefined) throw new Error("no peer");
      const writer = stream.writable.getWriter();
      const closed = h.failure(writer.closed);
      const bytes = h.randomBytes(seed, most * size);
      for (let k = 0; k < chunks; k += 1) {
        // Every third chunk is not waited for, so that some wait in the writer too.
        const written = h.failure(writer.write(bytes.subarray((k % most) * size, ((k % most) + 1) * size)));
        if (k % 3 !== 0 && (await written) !== null) break;
      }
      const at = Date.now();
      if (ending === "abort") await writer.abort(new Error(`never mind after ${chunks}`));
      else await h.failure(writer.close());
      return { at, error: await closed, endedAt: Date.now() };
    },
    { to: to.id, name, seed, chunks, ending, size: CHUNK_BYTES, most: CHUNKS },
  );
}

for (const [from, to] of PAIRS) {
  test.describe(`${from} to ${to}`, () => {
    async function pair(open: (name: BrowserName) => Promise<Peer>, room: string) {
      const [a, b] = [await open(from), await open(to)];
      await a.join(room);
      await b.join(room);
      await readAll(b);
      await expectMesh(a, b);
      return [a, b] as const;
    }

    test("a stream closed behind the k-th chunk is read to its end, for every k", async ({
      open,
      room,
      seed,
    }) => {
      const [a, b] = await pair(open, room);
      for (const k of everyChunk) {
        const { error } = await write(a, b, { name: `close ${k}`, seed, chunks: k, ending: "close" });
        expect(error, `closed behind ${k}`).toBeNull();
        const { bytes, digest, error: unread } = await endOf(b, `close ${k}`);
        expect({ bytes, unread }).toEqual({ bytes: k * CHUNK_BYTES, unread: null });
        expect(digest).toBe(await digestOf(a, seed, bytes));
      }
    });

    test("a stream aborted behind the k-th chunk ends with the reason, for every k", async ({
      open,
      room,
      seed,
    }) => {
      const [a, b] = await pair(open, room);
      for (const k of everyChunk) {
        const writer = await write(a, b, { name: `abort ${k}`, seed, chunks: k, ending: "abort" });
        const end = await endOf(b, `abort ${k}`);
        const reason = `never mind after ${k}`;
        expect(end.error).toMatchObject({ code: "stream-aborted", message: expect.stringContaining(reason) });
        expect(writer.error).toMatchObject({ message: expect.stringContaining(reason) });
        expect(end.at - writer.at).toBeLessThan(3 * PROMISED_MS);
        // What came before is the beginning of what was written.
        expect(end.bytes).toBeLessThanOrEqual(k * CHUNK_BYTES);
        expect(end.digest).toBe(await digestOf(a, seed, end.bytes));
      }
    });

    test("a stream whose reader cancels behind the k-th chunk ends with its reason, for every k", async ({
      open,
      room,
      seed,
    }) => {
      const [a, b] = await pair(open, room);
      for (const k of everyChunk.slice(0, -1)) {
        const name = `cancel ${k * CHUNK_BYTES}`;
        // It writes until it hears of that.
        const writer = await write(a, b, { name, seed, chunks: 10 * CHUNKS, ending: "close" });
        const end = await endOf(b, name);
        expect(writer.error).toMatchObject({
          code: "stream-cancelled",
          message: expect.stringContaining(`enough after ${k * CHUNK_BYTES}`),
        });
        expect(writer.endedAt - end.at).toBeLessThan(3 * PROMISED_MS);
      }
    });

    test("whoever leaves right behind k messages, or behind the end of a stream of k chunks, has sent them, for every k", async ({
      open,
      room,
      seed,
    }) => {
      test.slow();
      const [b, a] = [await open(to), await open(from)];
      await b.join(room);
      await readAll(b);
      let reported = 0;
      for (const k of everyChunk) {
        await a.join(room, { resume: false });
        const before = (await a.happenings("undelivered")).length;
        // Some leave before there is a direct path.
        if (k % 4 !== 0) await expectMesh(a, b);
        const outcome = await a.run(
          async (h, { to, k, seed, size, most }) => {
            const { room } = h.state;
            const bytes = h.randomBytes(seed, most * size);
            const chunk = (n: number) => bytes.subarray(n * size, (n + 1) * size);
            const stream = await room.peers.get(to)?.openStream(`leave ${k}`);
            const writer = stream?.writable.getWriter();
            const written = Array.from({ length: k }, (_, n) => writer?.write(chunk(n)));
            await Promise.all(written);
            const closed = h.failure(writer?.close() ?? Promise.resolve());
            const sends = Array.from({ length: k }, (_, n) => h.failure(room.blob.send(chunk(n))));
            await room.leave();
            const digests = await Promise.all(sends.map((_, n) => h.digest(chunk(n))));
            return { closed: await closed, sends: await Promise.all(sends), digests };
          },
          { to: b.id, k, seed, size: CHUNK_BYTES, most: CHUNKS },
        );
        await expect.poll(() => b.statesOf(a)).toContain("left");
        expect(outcome.closed).toBeNull();
        // What was queued has arrived. What still waited for room was not sent, and the sender was told.
        const queued = outcome.sends.filter((failure) => failure === null).length;
        for (const failure of outcome.sends.slice(queued)) expect(failure).toMatchObject({ code: "closed" });
        const blobs = await b.run(async ({ state, digest }, from) => {
          const mine = state.received.blob.filter((message) => message.from === from);
          return Promise.all(mine.map(({ data }) => digest(data as Uint8Array)));
        }, a.id);
        // Leaving waits for five seconds, which a busy machine may need. What it did not deliver it has reported.
        if ((await a.happenings("undelivered")).length > before) {
          reported += 1;
          expect(blobs).toEqual(outcome.digests.slice(0, blobs.length));
          continue;
        }
        expect(blobs).toEqual(outcome.digests.slice(0, queued));
        const { bytes, digest, error } = await endOf(b, `leave ${k}`);
        expect({ bytes, error }).toEqual({ bytes: k * CHUNK_BYTES, error: null });
        expect(digest).toBe(await digestOf(a, seed, bytes));
      }
      expect(reported).toBeLessThanOrEqual(3);
    });
  });
}

test("a connection, or one channel of it, closed behind the k-th chunk ends nothing, for every k", async ({
  open,
  room,
  seed,
}) => {
  test.slow();
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.run(({ faults }) => faults.watchChannels());
  await b.join(room);
  await readAll(b);
  const length = CHUNKS * CHUNK_BYTES;
  for (const k of everyChunk.slice(1, -1)) {
    // Somebody new each time: a pair whose connections break again and again makes new ones with growing pauses.
    await a.join(room, { resume: false });
    await expectMesh(a, b);
    const name = `break ${k}`;
    await a.run(
      async (h, { to, name, k, seed, size, most }) => {
        const peer = h.state.room.peers.get(to);
        const stream = await peer?.openStream(name);
        if (stream === undefined) throw new Error("no peer");
        const writer = stream.writable.getWriter();
        const bytes = h.randomBytes(seed, most * size);
        for (let n = 0; n < most; n += 1) {
          if (n === k && k % 2 === 0) peer?.connection?.close();
          if (n === k && k % 2 === 1) h.faults.closeChannel("peerloom.more");
          await writer.write(bytes.subarray(n * size, (n + 1) * size));
        }
        await writer.close();
      },
      { to: b.id, name, k, seed, size: CHUNK_BYTES, most: CHUNKS },
    );
    const { bytes, digest, error } = await endOf(b, name);
    expect({ bytes, error }).toEqual({ bytes: length, error: null });
    expect(digest).toBe(await digestOf(a, seed, length));
    expect(await a.statesOf(b)).toEqual(["joined", "connected"]);
    await a.leave();
  }
});
