// What must come of two networks, from first principles: which path there is at best.
import { NETWORKS, SHARED } from "./kinds.mjs";

/** What each filter lets through, of the ways to a TURN server. */
const LETS = {
  free: ["udp", "tcp", "tls"],
  blocked: ["tcp", "tls"],
  443: ["tls"],
  proxy: ["tls"],
};

/**
 * What a chain of routers comes to. They have another public port for each destination if one of them has, and let in what all of
 * them let in: 0 nobody is kept out, 1 addresses are, 2 ports are.
 */
function seenFromOutside({ routers = [], firewall = false }) {
  const strictness = { full: 0, address: 1, cone: 2, symmetric: 2 };
  return {
    symmetric: routers.includes("symmetric"),
    strict: Math.max(0, ...routers.map((kind) => strictness[kind]), firewall ? 2 : 0),
  };
}

const has = (network, family) => (NETWORKS[network].families ?? ["v4"]).includes(family);

/** Whether UDP goes from end to end. `left` and `right` have a network and a filter. */
function canBeDirect({ left, right, shared }) {
  if (left.filter !== "free" || right.filter !== "free") return false;
  if (shared !== undefined) return !SHARED[shared].isolated || SHARED[shared].hairpin;
  // Firewalls of both open as both write to addresses that each other knows.
  if (has(left.network, "v6") && has(right.network, "v6")) return true;
  if (!has(left.network, "v4") || !has(right.network, "v4")) return false;
  const [one, other] = [left, right].map(({ network }) => seenFromOutside(NETWORKS[network]));
  // Who looks at ports must know the port that the other one will be seen with.
  return !(one.symmetric && other.strict === 2) && !(other.symmetric && one.strict === 2);
}

/** Whether one of them gets an address at the TURN server that the other one reaches. The server gives those of IPv4. */
function canTurn({ left, right, turn }) {
  if (turn === "none") return false;
  const [one, other] = [left, right].map(({ network, filter }) => {
    const allocates = LETS[filter].includes(turn);
    // By UDP of its own, or from its own address there.
    return { allocates, reaches: allocates || (filter === "free" && has(network, "v4")) };
  });
  return (one.allocates && other.reaches) || (other.allocates && one.reaches);
}

/** The best path that a cell has. The sealed relay of the server needs nothing but https. */
export function expectedPath(cell) {
  if (canBeDirect(cell)) return "direct";
  return canTurn(cell) ? "turn" : "relay";
}

/** Whether a host with this filter can use a TURN server over this transport. */
export const lets = (filter, turn) => LETS[filter].includes(turn);
