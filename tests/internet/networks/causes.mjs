// What stands between two networks, from first principles: what each end's diagnosis must find where there is only the relay.
import { NETWORKS } from "./kinds.mjs";

const familiesOf = ({ network }) => NETWORKS[network].families ?? ["v4"];

/** Those of its candidates: a provider's translator gives an address of IPv4, at which nobody is reached. */
const candidatesOf = ({ network }) =>
  NETWORKS[network].nat64 ? ["v4", "v6"] : (NETWORKS[network].families ?? ["v4"]);

const isSymmetric = ({ network }) => (NETWORKS[network].routers ?? []).includes("symmetric");

/** What `own` finds of the way to `other`. */
function causeOf(own, other) {
  if (own.filter !== "free") return "udp-blocked";
  if (other.filter !== "free") return "peer-needs-turn";
  if (!candidatesOf(own).some((family) => candidatesOf(other).includes(family))) return "no-common-family";
  return isSymmetric(own) ? "symmetric-nat-no-turn" : "nat-no-turn";
}

/** For both ends of a cell. */
export const causes = ({ left, right }) => [causeOf(left, right), causeOf(right, left)];

/** The kind of address translator that an end finds, where the STUN server answers at two ports; undefined where it can find none. */
export function natOf(side) {
  if (side.filter !== "free" || !familiesOf(side).includes("v4")) return undefined;
  return isSymmetric(side) ? "symmetric" : "cone";
}
