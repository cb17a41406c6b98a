// The networks that people are in, and how the small internet makes each.

/** Public addresses of routers, by the place of the host behind them. */
const PUBLIC = { left: ["10.77.0.200", "10.77.0.210"], right: ["10.77.0.201", "10.77.0.211"] };
const SHARED_PUBLIC = "10.77.0.230";
const NAT64 = "10.77.0.220";

/**
 * What a host is connected by. `routers` are those between it and the internet, the nearest first; `families` are its addresses;
 * `firewall` lets in only answers; `nat64`: it names servers by their addresses of IPv4, through the provider's translator.
 */
export const NETWORKS = {
  open: { title: "public address" },
  firewall: { title: "public address, firewall", firewall: true },
  full: { title: "full cone", routers: ["full"] },
  address: { title: "address-restricted cone", routers: ["address"] },
  cone: { title: "port-restricted cone", routers: ["cone"] },
  symmetric: { title: "symmetric", routers: ["symmetric"] },
  double: { title: "two routers in series", routers: ["cone", "cone"] },
  v6: { title: "IPv6 only, firewall", families: ["v6"], firewall: true },
  nat64: { title: "IPv6 only, servers by NAT64", families: ["v6"], firewall: true, nat64: true },
  dual: {
    title: "both families, cone and firewall",
    families: ["v4", "v6"],
    routers: ["cone"],
    firewall: true,
  },
};

/** Two hosts behind one router, which is a port-restricted cone. */
export const SHARED = {
  lan: { title: "one router, and they reach each other" },
  hairpin: { title: "one router, isolated, hairpin", isolated: true, hairpin: true },
  "no-hairpin": { title: "one router, isolated, no hairpin", isolated: true, hairpin: false },
};

/** What the network of a host lets pass besides. */
export const FILTERS = {
  free: { title: "UDP free" },
  blocked: { title: "UDP blocked" },
  443: { title: "only 443/tcp" },
  proxy: { title: "only an HTTP proxy" },
};

/** Lines that are bad or odd in other ways: commands for the link, for which both hosts are named. */
export const WEATHERS = {
  fair: { title: "", commands: () => [] },
  "loss-1": { title: "1 % loss", commands: () => ["set all.up loss=1"] },
  "loss-5": { title: "5 % loss", commands: () => ["set all.up loss=5"] },
  "loss-20": { title: "20 % loss", commands: () => ["set all.up loss=20"], slow: true },
  "rtt-300": { title: "300 ms round trip", commands: () => ["set all delay=75"] },
  "hole-1280": {
    title: "packets over 1280 bytes vanish",
    commands: (hosts) => hosts.map((host) => `hole ${host} 1280`),
    slow: true,
  },
  "hole-1280-clamped": {
    title: "the same, but TCP sends none",
    commands: (hosts) => hosts.map((host) => `hole ${host} 1280 clamp`),
  },
};

/** The host that stands for such a network at a place: hosts keep their families. */
export function hostFor(network, place) {
  const families = (NETWORKS[network]?.families ?? ["v4"]).join("+");
  return {
    v4: { left: "a", right: "b" },
    v6: { left: "a6", right: "b6" },
    "v4+v6": { left: "d", right: "d" },
  }[families][place];
}

/** All hosts of the grid besides the server. */
export const HOSTS = [
  "a",
  "b",
  { name: "a6", families: ["v6"] },
  { name: "b6", families: ["v6"] },
  { name: "d", families: ["v4", "v6"] },
  { name: "turn", families: ["v4", "v6"] },
  { name: "proxy", families: ["v4", "v6"] },
];
const PEOPLE = ["a", "b", "a6", "b6", "d"];

/** Commands that undo whatever a cell did. */
export const clear = () => [
  "reset all",
  `nat64 cone ${NAT64}`,
  ...PEOPLE.flatMap((host) => [
    `nat ${host} off`,
    `only ${host} off`,
    `drop-udp ${host} off`,
    `firewall ${host} off`,
    `hole ${host} off`,
  ]),
];

/** Commands that put a host into its network. `proxy` is the proxy's address as that host sees it. */
export function enter(host, place, network, filter, proxy) {
  const { routers = [], firewall = false } = NETWORKS[network];
  const publics = PUBLIC[place];
  // The outermost is there first.
  const chain = [...routers].reverse().map((kind, depth) => {
    const outside = depth === 0 ? "" : ` behind=${place}-0`;
    return `router ${place}-${depth} ${kind} ${publics[depth]}${outside}`;
  });
  return [
    ...chain,
    ...(routers.length > 0 ? [`behind ${host} ${place}-${routers.length - 1}`] : []),
    ...(firewall ? [`firewall ${host} on`] : []),
    ...restrict(host, filter, proxy),
  ];
}

/** The same for two behind one router. */
export function share(hosts, shared, filters, proxy) {
  const { hairpin = false, isolated = false } = SHARED[shared];
  const words = [hairpin && "hairpin", isolated && "isolated"].filter(Boolean);
  return [
    ["router shared cone", SHARED_PUBLIC, ...words].join(" "),
    ...hosts.map((host) => `behind ${host} shared`),
    ...hosts.flatMap((host, index) => restrict(host, filters[index], proxy)),
  ];
}

function restrict(host, filter, proxy) {
  const commands = {
    blocked: `drop-udp ${host} on`,
    443: `only ${host} 443`,
    proxy: `only ${host} ${proxy}`,
  };
  return filter === "free" ? [] : [commands[filter]];
}
