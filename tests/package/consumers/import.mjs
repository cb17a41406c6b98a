// Imports the package where there is no browser: a server that renders pages does so too. Reading any of the browser's
// objects during the import, or leaving a global behind, ends with an error.
const BROWSER = [
  "window",
  "document",
  "navigator",
  "location",
  "RTCPeerConnection",
  "WebSocket",
  "fetch",
  "WebAssembly",
];
const own = Object.getOwnPropertyDescriptors(globalThis);
for (const name of BROWSER) {
  Object.defineProperty(globalThis, name, {
    configurable: true,
    get() {
      throw new Error(`the import read ${name}`);
    },
  });
}
const before = Object.getOwnPropertyNames(globalThis);

const { channel, join, PeerloomError } = await import("peerloom");
const { compact, record, text } = await import("peerloom/compact");

const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.includes(name));
if (added.length > 0) throw new Error(`the import added ${added}`);
// Defining channels is what modules do at their top level, so it must work here too.
channel();
channel.bytes({ delivery: "unordered" });
channel.of(compact(record({ text })));
for (const name of BROWSER) {
  delete globalThis[name];
  if (own[name]) Object.defineProperty(globalThis, name, own[name]);
}
const error = await join("http://localhost:1", { room: "r" }).catch((reason) => reason);
if (!(error instanceof PeerloomError)) throw new Error(`join() outside a browser: ${error}`);
console.log("imported");
