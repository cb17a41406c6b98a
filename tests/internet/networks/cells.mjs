// Every pair of networks, filter and kind of TURN, without those that are physically the same as another one.
import { FILTERS, NETWORKS, SHARED, WEATHERS } from "./kinds.mjs";
import { expectedPath, lets } from "./physics.mjs";

export const TURNS = ["none", "udp", "tcp", "tls"];
const CHROMIUM = ["chromium", "chromium"];

/** What a cell is called: `cone-symmetric/free-free/tls`, and more where the weather or the browsers are unusual. */
function named(cell) {
  const { left, right, shared, turn, weather, kinds } = cell;
  const pair = shared ?? `${left.network}-${right.network}`;
  const parts = [pair, `${left.filter}-${right.filter}`, turn];
  if (weather !== "fair") parts.push(weather);
  if (kinds.join() !== CHROMIUM.join()) parts.push(kinds.join("-"));
  return parts.join("/");
}

function cell(pair, filters, turn, { weather = "fair", kinds = CHROMIUM } = {}) {
  const shared = pair in SHARED ? pair : undefined;
  const [one, other] = shared ? ["cone", "cone"] : pair.split("-");
  const made = {
    left: { network: one, filter: filters[0] },
    right: { network: other, filter: filters[1] },
    shared,
    turn,
    weather,
    kinds,
  };
  return { ...made, name: named(made), expected: expectedPath(made) };
}

const V4 = ["open", "firewall", "full", "address", "cone", "symmetric", "double"];

/**
 * Pairs where both have UDP. (a, b) is (b, a). Of those with IPv6 only, the router of a peer that has only IPv4 matters where it
 * meets a translator or a TURN server, so a public address, a cone and a symmetric one stand for all. Who has both families is for peers
 * with only IPv4 what its router is, so a cone and a symmetric one stand for all.
 */
const FREE_PAIRS = [
  ...V4.flatMap((one, index) => V4.slice(index).map((other) => `${one}-${other}`)),
  ...Object.keys(SHARED),
  "v6-v6",
  "v6-nat64",
  ...["v6", "nat64"].flatMap((six) => ["open", "cone", "symmetric"].map((four) => `${six}-${four}`)),
  "dual-v6",
  "dual-cone",
  "dual-symmetric",
];

/** One TURN way stands for all where messages go directly: it is not used, and must not be. */
const freeTurns = (pair) =>
  expectedPath(cell(pair, ["free", "free"], "none")) === "direct" ? ["none", "udp"] : TURNS;

/** No UDP leaves a host with a filter, so what its routers do with UDP is nothing: a cone stands for all. The other end has UDP. */
const HALF_PAIRS = [...V4.map((one) => `${one}-cone`), "v6-cone", "cone-v6", "nat64-cone"];

/** Neither has UDP: the routers are nothing. */
const BOTH_FILTERS = [
  ["blocked", "blocked"],
  ["blocked", "443"],
  ["blocked", "proxy"],
  ["443", "443"],
  ["443", "proxy"],
  ["proxy", "proxy"],
];
const STRICT = Object.keys(FILTERS).filter((filter) => filter !== "free");

/** A kind of TURN that the filters of both let nobody reach is none; that it is so is tried with a cone. */
const usable = (filters, turn, pair) =>
  turn === "none" ||
  pair === "cone-cone" ||
  filters.some((filter) => filter !== "free" && lets(filter, turn));

const grid = [
  ...FREE_PAIRS.flatMap((pair) => freeTurns(pair).map((turn) => cell(pair, ["free", "free"], turn))),
  ...STRICT.flatMap((strict) =>
    HALF_PAIRS.flatMap((pair) =>
      TURNS.filter((turn) => usable(["free", strict], turn, pair)).map((turn) =>
        cell(pair, ["free", strict], turn),
      ),
    ),
  ),
  ...BOTH_FILTERS.flatMap((filters) =>
    TURNS.filter((turn) => usable(filters, turn)).map((turn) => cell("cone-cone", filters, turn)),
  ),
  ...Object.keys(WEATHERS)
    .filter((weather) => weather !== "fair")
    .flatMap((weather) => [
      cell("cone-cone", ["free", "free"], "none", { weather }),
      cell("cone-cone", ["free", "443"], "tls", { weather }),
    ]),
];

/** Where browsers differ is in how they look for paths and reach TURN servers: each way once, alone and mixed. */
const FIREFOX = [
  ["open-open", ["free", "free"], "none"],
  ["cone-cone", ["free", "free"], "udp"],
  ["double-address", ["free", "free"], "none"],
  ["hairpin", ["free", "free"], "none"],
  ["v6-v6", ["free", "free"], "none"],
  ["dual-v6", ["free", "free"], "none"],
  ["v6-cone", ["free", "free"], "udp"],
  ["symmetric-symmetric", ["free", "free"], "none"],
  ["symmetric-symmetric", ["free", "free"], "udp"],
  ["cone-cone", ["free", "blocked"], "tcp"],
  ["cone-cone", ["free", "443"], "none"],
  ["cone-cone", ["free", "443"], "tls"],
  ["cone-cone", ["free", "proxy"], "none"],
  ["cone-cone", ["free", "proxy"], "tls"],
  ["cone-cone", ["proxy", "443"], "tls"],
].flatMap(([pair, filters, turn]) =>
  [
    ["firefox", "firefox"],
    ["chromium", "firefox"],
  ].map((kinds) => cell(pair, filters, turn, { kinds })),
);

/** All of them. */
export const cells = [...grid, ...FIREFOX];

/** A few that have every kind of router, filter and TURN in them: what `npm test` runs. */
export const few = [
  "open-symmetric/free-free/none",
  "full-address/free-free/none",
  "cone-double/free-free/udp",
  "symmetric-symmetric/free-free/none",
  "symmetric-symmetric/free-free/udp",
  "hairpin/free-free/none",
  "no-hairpin/free-free/udp",
  "dual-v6/free-free/none",
  "nat64-cone/free-free/udp",
  "cone-cone/free-blocked/tcp",
  "cone-cone/free-443/tls",
  "cone-cone/proxy-proxy/none",
  "cone-cone/proxy-proxy/tls",
  "cone-cone/free-free/none/hole-1280",
  "cone-cone/free-443/tls/chromium-firefox",
].map((name) => cells.find((one) => one.name === name) ?? name);

/** For people: the rows of the table, each with its cells by TURN. */
export function rows(some) {
  const found = new Map();
  for (const one of some) {
    const { left, right, shared, weather, kinds } = one;
    const pair = shared
      ? [SHARED[shared].title]
      : [NETWORKS[left.network].title, NETWORKS[right.network].title];
    const filters = [left.filter, right.filter];
    const row = { pair, filters, weather, kinds };
    const key = JSON.stringify(row);
    if (!found.has(key)) found.set(key, { ...row, cells: {} });
    found.get(key).cells[one.turn] = one;
  }
  return [...found.values()];
}
