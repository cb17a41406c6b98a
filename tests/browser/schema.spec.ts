// What schemas may do: take their time, change what comes in, fail.
import { expect, type Peer, test } from "./support/fixtures.ts";

/** Joins with one channel "value", whose schema is the one named. */
function joinWith(peer: Peer, room: string, kind: "none" | "slow" | "changing" | "throwing"): Promise<void> {
  return peer.run(
    async ({ peerloom, kept }, { room, kind }) => {
      const validators = {
        // Earlier messages take longer than later ones.
        slow: async (value: unknown) => {
          await new Promise((resolve) => setTimeout(resolve, 20 - Number(value)));
          return Number(value) % 5 === 0 ? { issues: [{ message: "a multiple of five" }] } : { value };
        },
        changing: (value: unknown) => ({ value: `${value} changed` }),
        throwing: (value: unknown) => {
          if (Number(value) % 2 === 0) throw new Error("broken schema");
          return { value };
        },
      };
      const schema: import("peerloom").StandardSchemaV1 | undefined =
        kind === "none"
          ? undefined
          : { "~standard": { version: 1, vendor: "peerloom-tests", validate: validators[kind] } };
      const joined = await peerloom.join(location.origin, {
        room,
        protocol: { value: peerloom.channel<unknown>(schema) },
      });
      const heard: unknown[] = [];
      const refused: unknown[] = [];
      joined.value.on(({ data }) => void heard.push(data));
      joined.on("invalid", ({ error }) => void refused.push(error.message));
      Object.assign(kept, { joined, heard, refused });
    },
    { room, kind },
  );
}

type Joined = { value: import("peerloom").Channel<unknown>; peers: Map<string, { path: string }> };

async function expectDirect(peer: Peer): Promise<void> {
  const paths = () =>
    peer.run(({ kept }) => [...(kept.joined as Joined).peers.values()].map(({ path }) => path));
  await expect.poll(paths).toEqual(["direct"]);
}

async function sendTwenty(peer: Peer): Promise<void> {
  await expectDirect(peer);
  await peer.run(async ({ kept }) => {
    for (let n = 0; n < 20; n += 1) await (kept.joined as Joined).value.send(n);
  });
}

const heard = (peer: Peer) => peer.run(({ kept }) => kept.heard as unknown[]);
const refused = (peer: Peer) => peer.run(({ kept }) => kept.refused as string[]);
const twenty = Array.from({ length: 20 }, (_, n) => n);

test("an asynchronous schema keeps the order of messages", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await joinWith(a, room, "none");
  await joinWith(b, room, "slow");
  await sendTwenty(a);
  await expect.poll(() => heard(b)).toEqual(twenty.filter((n) => n % 5 !== 0));
  expect(await refused(b)).toHaveLength(4);
});

test("a handler gets what the schema makes of a message", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await joinWith(a, room, "none");
  await joinWith(b, room, "changing");
  await sendTwenty(a);
  await expect.poll(() => heard(b)).toEqual(twenty.map((n) => `${n} changed`));
});

test("a schema that throws refuses the message", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await joinWith(a, room, "none");
  await joinWith(b, room, "throwing");
  await sendTwenty(a);
  await expect.poll(() => heard(b)).toEqual(twenty.filter((n) => n % 2 === 1));
  expect(await refused(b)).toHaveLength(10);
});

test("a label that the room uses itself is reached by channel()", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  for (const peer of [a, b]) {
    await peer.run(async ({ peerloom, kept }, room) => {
      const protocol = { leave: peerloom.channel<string>(), constructor: peerloom.channel<string>() };
      const joined = await peerloom.join(location.origin, { room, protocol });
      const heard: unknown[] = [];
      const channels = (["leave", "constructor"] as const).map((label) => joined.channel(label));
      for (const channel of channels) channel.on(({ data }) => void heard.push(`${channel.label}: ${data}`));
      Object.assign(kept, { joined, channels, heard });
    }, room);
  }
  await expectDirect(a);
  await a.run(async ({ kept }) => {
    for (const one of kept.channels as import("peerloom").Channel<string>[]) await one.send("hello");
  });
  await expect.poll(async () => (await heard(b)).sort()).toEqual(["constructor: hello", "leave: hello"]);
});
