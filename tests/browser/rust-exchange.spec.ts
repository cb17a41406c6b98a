// Streams and calls between a page written in Rust and one written in TypeScript.
import type { Room } from "peerloom";
import type { Harness } from "./pages/harness.ts";
import { expect } from "./support/fixtures.ts";
import { test } from "./support/rust-page.ts";

type Rolling = Room<ReturnType<Harness["rustProtocol"]>>;

for (const browser of ["chromium", "firefox"] as const) {
  test(`Rust in Chromium, TypeScript in ${browser}: calls both ways, and bytes there and back`, async ({
    open,
    openRust,
    room,
    seed,
  }) => {
    const peer = await open(browser);
    const id = await peer.run(async ({ peerloom, kept, rustProtocol }, room) => {
      const protocol = rustProtocol();
      const joined = await peerloom.join(location.origin, { room, protocol });
      joined.roll.handle((sides) => sides - 2);
      kept.joined = joined;
      return joined.self.id;
    }, room);
    const rust = await openRust();
    await expect(rust.events(`${id} rolled 4`)).toBeVisible();

    const roll = (sides: number) =>
      peer.run(async ({ kept }, sides) => {
        const { roll, peers } = kept.joined as Rolling;
        const [rust] = peers.values();
        if (rust === undefined) throw new Error("no peer");
        try {
          return await roll.call(rust, sides);
        } catch (error) {
          const { code, remoteCode, message } = error as Record<string, unknown>;
          return { code, remoteCode, message };
        }
      }, sides);
    expect(await roll(20)).toBe(20);
    expect(await roll(0)).toEqual({
      code: "call-failed",
      remoteCode: "no-such-die",
      message: "a die has sides",
    });
    expect(await roll(1.5)).toMatchObject({ code: "invalid-message" });

    const steps = [
      { kind: "move", x: -0.1, y: 1.5, by: "Ada ✓", at: -1_700_000_000_000 },
      { kind: "move", x: 1e300, y: -2, at: 0 },
      { kind: "mark", tags: ["a", "", "b".repeat(100)], counts: [0, 65_535], seen: true, total: 2 ** 53 - 1 },
      { kind: "mark", tags: [], counts: [], seen: false, total: 0 },
      { kind: "stop" },
    ] as const;
    const retraced = () => peer.run(({ kept }) => kept.retraced);
    await peer.run(({ kept }, steps) => {
      const { step } = kept.joined as Rolling;
      const retraced: unknown[] = [];
      kept.retraced = retraced;
      step.on(({ data }) => void retraced.push(data));
      for (const one of steps) void step.send(one as Parameters<typeof step.send>[0]);
    }, steps);
    await expect.poll(retraced).toEqual(steps);

    const same = await peer.run(async (h, seed) => {
      const [rust] = (h.kept.joined as Rolling).peers.values();
      const bytes = h.randomBytes(seed, 3_000_000);
      const stream = await rust?.openStream("echo");
      if (stream === undefined) throw new Error("no peer");
      const back = new Response(stream.readable).arrayBuffer();
      const writer = stream.writable.getWriter();
      for (let at = 0; at < bytes.length; at += 100_000) await writer.write(bytes.subarray(at, at + 100_000));
      await writer.close();
      return (await h.digest(new Uint8Array(await back))) === (await h.digest(bytes));
    }, seed);
    expect(same).toBe(true);
  });
}
