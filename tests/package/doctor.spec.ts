// npx peerloom doctor, as installed from the packed package, against real servers.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";
import { Project } from "./project.ts";
import { program, serveFiles, startSignaling } from "./servers.ts";

interface Step {
  name: string;
  result: string;
  found: string;
  remedy?: string;
}

let project: Project;
test.beforeAll(() => {
  project = new Project();
});
test.afterAll(() => project[Symbol.dispose]());

/** Runs it; gives the steps, by name and result, and the exit code. */
function doctor(...args: string[]) {
  return doctorWith({}, ...args);
}

function doctorWith(
  more: NodeJS.ProcessEnv,
  ...args: string[]
): Promise<{ code: number; steps: Step[]; text: string }> {
  const installed = project.path("node_modules", ".bin", "peerloom");
  return new Promise((done) => {
    execFile(
      installed,
      ["doctor", ...args],
      { timeout: 60_000, env: { ...process.env, ...more } },
      (error, stdout, stderr) => {
        const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
        const steps = lines.map((line) => JSON.parse(line) as Step);
        done({ code: error === null ? 0 : Number(error.code), steps, text: stdout + stderr });
      },
    );
  });
}

const brief = (steps: Step[]) => steps.map(({ name, result }) => `${name} ${result}`);

test("a server that has everything", async () => {
  const flags = ["--stun", "127.0.0.1:0", "--turn", "--turn-allow-peers", "127.0.0.0/8"];
  await using server = await startSignaling(...flags);
  const { code, steps } = await doctor(server.url, "--json");
  expect(brief(steps)).toEqual([
    "server ok",
    "clock ok",
    "WebSocket ok",
    "join ok",
    "STUN ok",
    "TURN ok",
    "TURN ok",
  ]);
  expect(code).toBe(0);
  expect(steps[4]?.found).toContain("sees this machine at 127.0.0.1:");
  expect(steps[5]?.found).toContain("relays from 127.0.0.1:");
  const { text } = await doctor(server.url);
  expect(text).toMatch(/^ok +server +peerloom-signaling \d+\.\d+\.\d+ answers in \d+ ms$/m);
});

test("an origin that is not allowed", async () => {
  await using server = await startSignaling("--allow-origin", "https://app.example");
  const { code, steps } = await doctor(server.url, "--json", "--origin", "https://other.example");
  expect(brief(steps)).toEqual(["server ok", "clock ok", "WebSocket failed"]);
  expect(steps[2]?.found).toContain("status 403");
  expect(steps[2]?.remedy).toContain("--allow-origin https://other.example");
  expect(code).toBe(1);
  const allowed = await doctor(server.url, "--json", "--origin", "https://app.example");
  expect(brief(allowed.steps)).toContain("join ok");
});

test("by TLS, with a certificate that is good and one whose authority nobody knows", async () => {
  const keys = (name: string) =>
    fileURLToPath(new URL(`../../signaling/tests/server/keys/${name}`, import.meta.url));
  const pem = readFileSync(keys("tls-localhost.pem"));
  await using server = await startSignaling(
    "--allow-origin",
    "https://app.example",
    "--allow-origin",
    "http://localhost",
  );
  const { port } = new URL(server.url);
  const front = createTlsServer({ key: pem, cert: pem }, (client) => {
    const inner = connect(Number(port), "127.0.0.1");
    client.pipe(inner).pipe(client);
    for (const end of [client, inner])
      end.on("error", () => inner.destroy()).on("close", () => client.destroy());
  }).listen(0, "localhost");
  await once(front, "listening");
  const url = `https://localhost:${(front.address() as { port: number }).port}`;
  const asked = [url, "--json", "--origin", "https://app.example"];
  const trusting = await doctorWith({ NODE_EXTRA_CA_CERTS: keys("tls-authority.pem") }, ...asked);
  const [name, tls] = trusting.steps;
  expect(name).toMatchObject({ name: "name", result: "ok" });
  expect(tls).toMatchObject({
    name: "TLS",
    found: expect.stringMatching(/^TLSv1\.[23], certificate of .+ valid for \d+ more days$/),
  });
  expect(brief(trusting.steps)).toContain("join ok");
  const { code, steps } = await doctor(...asked);
  expect(brief(steps)).toEqual(["name ok", "TLS failed"]);
  expect(code).toBe(1);
  front.close();
});

test("a server that wants a token", async () => {
  const secret = Buffer.alloc(32, 7).toString("base64url");
  project.write("keys.json", JSON.stringify({ kty: "oct", k: secret }));
  const keys = project.path("keys.json");
  await using server = await startSignaling("--token-keys", keys);
  const without = await doctor(server.url, "--json");
  const refused = without.steps.find(({ name }) => name === "join");
  expect(refused).toMatchObject({ result: "failed", found: expect.stringContaining("unauthorized") });
  expect(refused?.remedy).toContain("--token");
  const token = project.run(program, "token", "--key", keys, "--room", "meeting").trim();
  const within = await doctor(server.url, "--json", "--token", token, "--room", "meeting");
  expect(brief(within.steps)).toContain("join ok");
});

test("what is no server of ours, what is none at all, and what never answers", async () => {
  await using files = await serveFiles(project.folder);
  const other = await doctor(files.url, "--json");
  expect(brief(other.steps)).toEqual(["server warning", "clock ok", "WebSocket failed"]);
  const gone = files.url;
  await files[Symbol.asyncDispose]();
  const none = await doctor(gone, "--json");
  expect(brief(none.steps)).toEqual(["server failed"]);
  expect(none.steps[0]?.remedy).toContain("Start the server");
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  const hung = await doctor(`http://127.0.0.1:${port}`, "--json", "--timeout", "300");
  expect(hung.steps).toMatchObject([{ name: "server", result: "failed", found: "no answer within 300 ms" }]);
  silent.close();
  expect(none.code + hung.code).toBe(2);
});

test("a TURN server with another secret, and one that is not there", async () => {
  const flags = ["--stun", "127.0.0.1:0", "--turn"];
  await using relay = await startSignaling(...flags);
  const { steps } = await doctor(relay.url, "--json");
  const url = /turn:127\.0\.0\.1:\d+/.exec(steps.map(({ found }) => found).join(" "))?.[0] ?? "";
  project.write("secret", "x".repeat(40));
  const named = [
    "--turn-servers",
    `${url}?transport=udp`,
    "--turn-servers",
    "turn:127.0.0.1:9?transport=tcp",
  ];
  await using server = await startSignaling(
    "--stun",
    "off",
    "--turn-secret-file",
    project.path("secret"),
    ...named,
  );
  const asked = (await doctor(server.url, "--json")).steps.filter(({ name }) => name === "TURN");
  expect(asked).toMatchObject([
    {
      result: "failed",
      found: expect.stringContaining("401"),
      remedy: expect.stringContaining("same secret"),
    },
    { result: "failed", remedy: expect.stringContaining("Open TCP port 9") },
  ]);
});

test("what is not asked rightly is told how", async () => {
  for (const args of [[], ["ftp://a"], ["http://a", "--timeout", "x"], ["http://a", "--nonsense"]]) {
    const { code, text } = await doctor(...args);
    expect(code).toBe(2);
    expect(text).toContain("npx peerloom doctor URL");
  }
});
