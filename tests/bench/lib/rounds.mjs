// Trials in turns: each contender once a round, so that what the machine does beside meets all alike.

/**
 * Some rivals lose the first message of a connection now and then (PeerJS in 4 % of joins). Where one trial is all there is,
 * theirs may be repeated.
 */
const RIVAL_TRIES = 4;
/** Failures in a row after which a contender is left out: each may have taken minutes. */
const PATIENCE = 2;

/**
 * Does `runs` rounds and one before that warms up what a browser makes once. `trial(cell, round)` gives what was measured;
 * one that fails is told and counted, and whoever fails twice in a row is left out from then on. Gives the cells, each with `results` of its trials by round, and `failures`.
 */
export async function rounds({ runs, say, smoke, warmUp = !smoke }, cells, trial, tell = () => "") {
  const kept = cells.map((cell) => ({ ...cell, results: [], failures: 0 }));
  for (let round = warmUp ? 0 : 1; round <= runs; round++) {
    for (const cell of kept) {
      let result;
      const latest = cell.results.slice(-PATIENCE);
      if (latest.length === PATIENCE && latest.every((one) => one === undefined)) {
        cell.results.push(undefined);
        continue;
      }
      for (let left = smoke && cell.rival ? RIVAL_TRIES : 1; left > 0 && result === undefined; left--) {
        try {
          result = await trial(cell, round);
        } catch (error) {
          say(`${cell.name}: ${error.message}`);
          if (round > 0) cell.failures += 1;
        }
      }
      if (round > 0) cell.results.push(result);
    }
    if (round > 0) {
      const told = kept.map((cell) => {
        const last = cell.results.at(-1);
        return last === undefined ? "" : `${cell.name} ${tell(last)}`;
      });
      say(`round ${round} of ${runs}: ${told.filter(Boolean).join("; ")}`);
    }
  }
  return kept;
}

/** One value of each trial that succeeded. */
export const valuesOf = ({ results }, get) => results.filter((one) => one !== undefined).map(get);

/** The ratio of each trial to another cell's of the same round: what the machine does beside changes slowly. */
export function ratios(cell, other, get) {
  return cell.results.flatMap((one, round) => {
    const beside = other.results[round];
    return one === undefined || beside === undefined ? [] : [get(one) / get(beside)];
  });
}
