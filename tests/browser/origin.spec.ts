// Which pages a server lets in.
import { expect, type Peer, type Server, test } from "./support/fixtures.ts";

/** Tries to join at a server; gives why it did not work. */
function refusal(page: Peer, server: Server, room: string) {
  return page.run(
    async ({ peerloom, failure }, { url, room }) =>
      failure(peerloom.join(url, { room, timeoutMs: 3000 }).then((joined) => joined.leave())),
    { url: server.url, room },
  );
}

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: a page from elsewhere is let in only where its origin is allowed`, async ({
    open,
    room,
    server,
    startServer,
  }) => {
    const page = await open(browser);
    const closed = await startServer();
    expect(await refusal(page, closed, room)).toMatchObject({
      code: "signaling-unreachable",
      isPeerloomError: true,
    });

    const toAnother = await startServer({ flags: ["--allow-origin", "https://example.com"] });
    expect(await refusal(page, toAnother, room)).toMatchObject({ code: "signaling-unreachable" });

    const listed = await startServer({
      flags: ["--allow-origin", "https://example.com", "--allow-origin", server.url],
    });
    expect(await refusal(page, listed, room)).toBeNull();
    const toAll = await startServer({ flags: ["--allow-origin", "*"] });
    expect(await refusal(page, toAll, room)).toBeNull();
  });
}

test("a server's own page needs no permission", async ({ open, room, startServer }) => {
  const server = await startServer({ flags: ["--allow-origin", "https://example.com"] });
  const page = await open("chromium", { server });
  expect(await refusal(page, server, room)).toBeNull();
});

test("every way to write the server's address leads there", async ({ open, room, server }) => {
  const page = await open("chromium");
  const host = server.url.replace("http://", "");
  const tryWith = (url: string) =>
    page.run(
      async ({ peerloom, failure }, { url, room }) =>
        failure(peerloom.join(url, { room }).then((joined) => joined.leave())),
      { url, room },
    );
  const good = [
    `http://${host}`,
    `HTTP://${host}/`,
    `ws://${host}`,
    `ws://${host}/ws`,
    `http://${host}/ws/`,
    "/",
  ];
  for (const url of good) expect(await tryWith(url), url).toBeNull();
  for (const url of ["ftp://example.com", "http://", "mailto:someone@example.com"]) {
    expect(await tryWith(url), url).toMatchObject({ code: "bad-url", isPeerloomError: true });
  }
});
