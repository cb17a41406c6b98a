// Calls between peers: one answer each, typed failures, and an end to every wait.
import type { Peer as Member, Room, RpcDefinition } from "peerloom";
import { type BrowserName, expect, type Peer, test } from "./support/fixtures.ts";

const PAIRS: [caller: BrowserName, handler: BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];

type Methods = { add: RpcDefinition<number[], number>; ask: RpcDefinition<string, unknown> };

/** Joins with two methods, of which one checks what comes in. */
function join(peer: Peer, room: string, loose = false): Promise<string> {
  return peer.run(
    async (h, { room, loose }) => {
      const schema = <T>(fits: (value: unknown) => boolean) => ({
        "~standard": {
          version: 1 as const,
          vendor: "peerloom-tests",
          validate: (value: unknown) =>
            loose || fits(value) ? { value: value as T } : { issues: [{ message: "does not fit" }] },
        },
      });
      const { rpc } = h.peerloom;
      const isNumbers = (value: unknown) => Array.isArray(value) && value.every((n) => typeof n === "number");
      const protocol = {
        add: rpc(
          schema<number[]>(isNumbers),
          schema<number>((value) => typeof value === "number"),
        ),
        ask: rpc<string, unknown>(),
      };
      const joined = await h.peerloom.join(location.origin, { room, protocol });
      h.kept.room = joined;
      return joined.self.id;
    },
    { room, loose },
  );
}

/** Two pages that can talk: the caller, who handles nothing, and one that answers. */
async function pair(open: (name: BrowserName) => Promise<Peer>, room: string, browsers = PAIRS[0] ?? []) {
  const [a, b] = [await open(browsers[0] ?? "chromium"), await open(browsers[1] ?? "chromium")];
  await join(a, room);
  const id = await join(b, room);
  await b.run((h) => {
    const room = h.kept.room as Room<Methods>;
    h.kept.aborted = 0;
    room.add.handle((numbers) => numbers.reduce((sum, n) => sum + n, 0));
    room.ask.handle(async (question, { from, signal }) => {
      if (question === "who") return from.id;
      if (question === "fail") throw new Error("as asked");
      if (question === "code") throw Object.assign(new Error("sold out"), { code: "sold-out" });
      if (question === "nothing") return undefined;
      if (question === "large") return "x".repeat(3_000_000);
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          h.kept.aborted = Number(h.kept.aborted) + 1;
          reject(signal.reason);
        });
      });
    });
  });
  await expect
    .poll(() => a.run((h, id) => (h.kept.room as Room<Methods>).peers.get(id)?.path, id))
    .toBe("direct");
  return { a, b, id };
}

/** Asks, and gives the answer or how the call failed. */
function ask(peer: Peer, to: string, question: string, timeoutMs = 20_000) {
  return peer.run(
    async (h, { to, question, timeoutMs }) => {
      try {
        return { answer: await (h.kept.room as Room<Methods>).ask.call(to, question, { timeoutMs }) };
      } catch (error) {
        const { name, code, remoteCode, message } = error as Record<string, unknown>;
        return { name, code, remoteCode, message };
      }
    },
    { to, question, timeoutMs },
  );
}

for (const browsers of PAIRS) {
  test(`${browsers.join(" calls ")}: answers come back, a hundred at once`, async ({ open, room }) => {
    const { a, id } = await pair(open, room, browsers);
    const sums = await a.run(async (h, to) => {
      const { add, peers } = h.kept.room as Room<Methods>;
      const peer = peers.get(to) as Member;
      return Promise.all(Array.from({ length: 100 }, (_, n) => add.call(peer, [n, n, 1])));
    }, id);
    expect(sums).toEqual(Array.from({ length: 100 }, (_, n) => 2 * n + 1));
    const self = await a.run((h) => (h.kept.room as Room<Methods>).self.id);
    expect(await ask(a, id, "who")).toEqual({ answer: self });
    expect(await ask(a, id, "nothing")).toEqual({});
    expect((await ask(a, id, "large")).answer).toHaveLength(3_000_000);
  });
}

test("what a handler throws arrives, with its code", async ({ open, room }) => {
  const { a, id } = await pair(open, room, PAIRS[1]);
  const name = "PeerloomError";
  expect(await ask(a, id, "fail")).toEqual({ name, code: "call-failed", message: "as asked" });
  const soldOut = { name, code: "call-failed", remoteCode: "sold-out", message: "sold out" };
  expect(await ask(a, id, "code")).toEqual(soldOut);
});

test("a call whose time is up fails, and its handler is told", async ({ open, room }) => {
  const { a, b, id } = await pair(open, room, PAIRS[2]);
  expect(await ask(a, id, "never", 300)).toMatchObject({ code: "call-timeout" });
  await expect.poll(() => b.run((h) => h.kept.aborted)).toBe(1);
});

test("a call is given up by its signal, and its handler is told", async ({ open, room }) => {
  const { a, b, id } = await pair(open, room, PAIRS[1]);
  const reason = await a.run(async (h, to) => {
    const controller = new AbortController();
    const call = (h.kept.room as Room<Methods>).ask.call(to, "never", { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("changed my mind")), 200);
    return call.catch((error: Error) => error.message);
  }, id);
  expect(reason).toBe("changed my mind");
  await expect.poll(() => b.run((h) => h.kept.aborted)).toBe(1);
});

test("without a handler, or with one that has stopped, a call fails at once", async ({ open, room }) => {
  const { a, b, id } = await pair(open, room);
  const self = await a.run((h) => (h.kept.room as Room<Methods>).self.id);
  expect(await ask(b, self, "who")).toMatchObject({ code: "no-handler" });
  await b.run((h) => (h.kept.room as Room<Methods>).ask.handle(() => "new")());
  expect(await ask(a, id, "who")).toMatchObject({ code: "no-handler" });
});

test("requests and answers that do not fit their schema reach nobody", async ({ open, room }) => {
  const strict = await open("chromium");
  const loose = await open("firefox");
  const id = await join(strict, room);
  const looseId = await join(loose, room, true);
  const add = (peer: Peer, to: string, request: unknown) =>
    peer.run(
      ({ kept, failure }, { to, request }) =>
        failure((kept.room as Room<Methods>).add.call(to, request as number[])),
      { to, request },
    );
  await strict.run((h) => {
    h.kept.requests = [];
    (h.kept.room as Room<Methods>).add.handle((request) => (h.kept.requests as unknown[]).push(request));
  });
  await loose.run((h) => (h.kept.room as Room<Methods>).add.handle(() => "no number" as never));
  await expect
    .poll(() => loose.run((h, id) => (h.kept.room as Room<Methods>).peers.get(id)?.state, id))
    .toBe("connected");
  expect(await add(loose, id, "no numbers")).toMatchObject({ code: "invalid-message" });
  expect(await add(loose, id, [1])).toBeNull();
  expect(await strict.run((h) => h.kept.requests)).toEqual([[1]]);
  expect(await add(strict, looseId, [1])).toMatchObject({ code: "invalid-message" });
});

test("calls fail when the peer leaves", async ({ open, room }) => {
  const { a, b, id } = await pair(open, room, PAIRS[1]);
  const open_call = ask(a, id, "never");
  await b.run((h) =>
    new Promise((resolve) => setTimeout(resolve, 300)).then(() => (h.kept.room as Room).leave()),
  );
  expect(await open_call).toMatchObject({ code: "peer-gone" });
  expect(await ask(a, id, "who")).toMatchObject({ code: "peer-gone" });
});

test("a call survives the connection that carried it", async ({ open, room }) => {
  const { a, b, id } = await pair(open, room, PAIRS[1]);
  const self = await a.run((h) => (h.kept.room as Room<Methods>).self.id);
  await b.run((h) => {
    (h.kept.room as Room<Methods>).ask.handle(async (_, { from }) => {
      from.connection?.close();
      await new Promise((resolve) => setTimeout(resolve, 500));
      return from.id;
    });
  });
  expect(await ask(a, id, "who")).toEqual({ answer: self });
});

test("a method that is a channel at the other end is a mismatch that names it", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  const declare = (peer: Peer, as: "rpc" | "channel") =>
    peer.run(
      async (h, { room, as }) => {
        const roll = as === "rpc" ? h.peerloom.rpc<number, number>() : h.peerloom.channel<number>();
        const joined = await h.peerloom.join(location.origin, { room, protocol: { roll } });
        joined.on("error", ({ error }) => {
          h.kept.error = { code: error.code, message: error.message };
        });
      },
      { room, as },
    );
  await declare(a, "rpc");
  await declare(b, "channel");
  for (const peer of [a, b]) {
    await expect.poll(() => peer.run((h) => h.kept.error)).toMatchObject({ code: "protocol-mismatch" });
    const { message } = await peer.run((h) => h.kept.error as { message: string });
    expect(message).toContain("roll");
  }
});
