// What came of the cells, for people.
import { rows, TURNS } from "./cells.mjs";
import { FILTERS, WEATHERS } from "./kinds.mjs";

const TURN_TITLES = { none: "no TURN", udp: "TURN/UDP", tcp: "TURN/TCP", tls: "TURN/TLS on 443" };
/** A cell that stands for the same as another one. */
const SAME = "·";

const seconds = (ms) => (ms / 1000).toFixed(2);

/** One cell: the path, and until the first message and until that path was there at both ends. */
export function cellText({ path, firstMs, bestMs, causes = [], failures }) {
  if (failures.length > 0) return `**fails** (${path ?? "no path"})`;
  const best = bestMs === undefined ? "" : ` ${seconds(bestMs)}`;
  if (path !== "relay") return `${path} ${seconds(firstMs)} /${best}`;
  return `relay ${seconds(firstMs)}: ${[...new Set(causes)].join(", ")}`;
}

function titleOf({ pair, filters, weather, kinds }) {
  const ends = pair.map((network, index) => {
    const filter = filters[index];
    return filter === "free" ? network : `${network}, ${FILTERS[filter].title}`;
  });
  const line = WEATHERS[weather].title;
  const browsers = kinds.every((kind) => kind === "chromium") ? "" : kinds.join(", ");
  return [ends[0], ends[1] ?? "", [line, browsers].filter(Boolean).join("; ")];
}

/** The table in Markdown. `outcomes` are by the names of the cells. */
export function tableOf(cells, outcomes) {
  const head = ["one end", "other end", "besides", ...TURNS.map((turn) => TURN_TITLES[turn])];
  const lines = [`| ${head.join(" | ")} |`, `|${" --- |".repeat(head.length)}`];
  for (const row of rows(cells)) {
    const columns = TURNS.map((turn) => {
      const outcome = row.cells[turn] && outcomes.get(row.cells[turn].name);
      return outcome === undefined ? SAME : cellText(outcome);
    });
    lines.push(`| ${[...titleOf(row), ...columns].join(" | ")} |`);
  }
  return lines.join("\n");
}
