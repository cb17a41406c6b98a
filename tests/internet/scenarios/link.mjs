// The network itself, without browsers: does it do what it says?

/** Receives TCP for a while; prints bytes a second. */
const SINK = `
import { createServer } from "node:net";
const [address] = process.argv.slice(1);
const server = createServer((socket) => {
  const began = performance.now();
  let bytes = 0;
  socket.on("data", (chunk) => { bytes += chunk.length; });
  socket.on("close", () => {
    console.log(bytes / ((performance.now() - began) / 1000));
    process.exit();
  });
}).listen(9000, address);
`;

const SOURCE = `
import { connect } from "node:net";
const [address, ms] = process.argv.slice(1);
const chunk = Buffer.alloc(64 * 1024);
const end = performance.now() + Number(ms);
const socket = connect(9000, address, () => {
  const fill = () => {
    while (performance.now() < end) if (!socket.write(chunk)) return socket.once("drain", fill);
    socket.destroy();
  };
  fill();
});
`;

/** Answers every datagram with itself. */
const ECHO = `
import { createSocket } from "node:dgram";
const [address, ms] = process.argv.slice(1);
const socket = createSocket("udp4");
socket.on("message", (message, { port, address }) => socket.send(message, port, address));
socket.bind(9001, address);
setTimeout(() => process.exit(), Number(ms));
`;

/** Sends numbered datagrams; prints what came back. */
const PINGS = `
import { createSocket } from "node:dgram";
const [address, count, everyMs] = process.argv.slice(1);
const socket = createSocket("udp4");
const sentAt = [];
const trips = [];
const seen = new Set();
let duplicated = 0, outOfOrder = 0, highest = -1;
socket.on("message", (message) => {
  const n = message.readUInt32BE(0);
  if (seen.has(n)) { duplicated += 1; return; }
  seen.add(n);
  if (n < highest) outOfOrder += 1;
  highest = Math.max(highest, n);
  trips.push(performance.now() - sentAt[n]);
});
for (let n = 0; n < Number(count); n += 1) {
  const message = Buffer.alloc(100);
  message.writeUInt32BE(n);
  sentAt.push(performance.now());
  socket.send(message, 9001, address);
  await new Promise((done) => setTimeout(done, Number(everyMs)));
}
await new Promise((done) => setTimeout(done, 500));
trips.sort((a, b) => a - b);
console.log(JSON.stringify({ came: seen.size, duplicated, outOfOrder, median: trips[trips.length >> 1] ?? 0 }));
process.exit();
`;

async function transfer({ hosts, sleep }, ms) {
  const sink = hosts.b.do("node", { code: SINK, args: [hosts.b.address] });
  await sleep(300);
  await hosts.a.do("node", { code: SOURCE, args: [hosts.b.address, String(ms)] });
  return Number(await sink);
}

async function ping({ hosts, sleep }, count, everyMs = 2) {
  const echo = hosts.b.do("node", {
    code: ECHO,
    args: [hosts.b.address, String(count * everyMs * 1.5 + 2_000)],
  });
  await sleep(300);
  const output = await hosts.a.do("node", {
    code: PINGS,
    args: [hosts.b.address, String(count), String(everyMs)],
  });
  await echo;
  return JSON.parse(output);
}

const throughput = {
  name: "link-throughput",
  title:
    "how much one TCP connection gets through the link: without impairments, and with a rate of 50 Mbit/s",
  pages: 0,
  async run(world) {
    for (const rate of [0, 50]) {
      await world.link(`set a.up rate=${rate}`);
      const bytes = await transfer(world, 3_000);
      const what = rate === 0 ? "no rate" : `${rate} Mbit/s`;
      world.measures.push(
        `${what}: ${(bytes / 1e6).toFixed(1)} MB/s, ${((bytes * 8) / 1e6).toFixed(0)} Mbit/s`,
      );
      if (rate > 0) world.check(bytes * 8 < rate * 1e6, `${what} were exceeded`);
    }
    world.note(await world.linkStats());
  },
};

const impairments = {
  name: "link-impairments",
  title: "delay, loss, duplicates, order and cuts as datagrams feel them",
  pages: 0,
  async run(world) {
    const COUNT = 400;
    const tell = (what, { came, duplicated, outOfOrder, median }) =>
      world.measures.push(
        `${what}: ${came} of ${COUNT}, ${duplicated} twice, ${outOfOrder} out of order, ${median.toFixed(1)} ms`,
      );
    const plain = await ping(world, COUNT);
    tell("nothing", plain);
    world.check(
      plain.came === COUNT && plain.duplicated === 0 && plain.outOfOrder === 0,
      "the plain link is not plain",
    );

    await world.link("set a delay=25");
    const delayed = await ping(world, COUNT);
    tell("25 ms each way", delayed);
    world.check(delayed.median >= 50, "there is too little delay");

    // Lost on the way there or on the way back: 36 %.
    await world.link("set a loss=20");
    const lossy = await ping(world, COUNT);
    tell("20 % loss each way", lossy);
    world.check(
      lossy.came > COUNT * 0.52 && lossy.came < COUNT * 0.76,
      "the loss is not 36 % there and back",
    );

    await world.link("set a loss=0 duplicate=10 reorder=10");
    const mixed = await ping(world, COUNT);
    tell("10 % duplicates and 10 % out of order each way", mixed);
    world.check(
      mixed.came === COUNT && mixed.duplicated > 30 && mixed.outOfOrder > 20,
      "too little disorder",
    );

    await world.link("reset a");
    await world.link("drop-udp a on");
    const dropped = await ping(world, 50);
    world.check(dropped.came === 0, "datagrams pass where UDP is dropped");
    await world.link("drop-udp a off");
    await world.link("down b");
    const cut = await ping(world, 50);
    world.check(cut.came === 0, "datagrams reach a host that is cut off");
    await world.link("up b");
    // The sender's router lets answers pass, the receiver sees the router.
    await world.link("nat a symmetric 10.77.0.200");
    const translated = await ping(world, COUNT);
    tell("behind a router", translated);
    world.check(translated.came === COUNT, "datagrams are lost behind a router");
  },
};

export default [throughput, impairments];
