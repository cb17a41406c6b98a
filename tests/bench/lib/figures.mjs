// Figures as people and programs read them.

const median = (sorted) => {
  if (sorted.length === 0) return Number.NaN;
  const half = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2;
};

/** The value below which a share of the sorted values lies. */
export const quantile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

/**
 * One line of the table. `values` are the single trials; `most` or `least` is the figure that the median has to keep, if
 * there is one; `also` gives further columns of text. A figure of 0 is nonsense unless it `mayBeZero`.
 */
export function figure({
  measure,
  variant,
  unit,
  values,
  most,
  least,
  also = "",
  digits = 0,
  mayBeZero = most === 0,
}) {
  const sorted = [...values].sort((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  return {
    measure,
    variant,
    unit,
    values,
    median: median(sorted),
    min,
    max,
    most,
    least,
    also,
    digits,
    mayBeZero,
  };
}

/** Prints all figures as one table. */
export function printTable(figures) {
  const rows = figures.map((one) => {
    const { measure, variant, unit, values, median, min, max, most, least, also, digits } = one;
    const number = (value) =>
      value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const range = values.length > 1 ? `${number(min)}–${number(max)}` : "";
    const verdict = median > most || median < least ? "MISSED" : "kept";
    const bound = most === undefined ? least && `≥ ${number(least)}` : `≤ ${number(most)}`;
    const goal = bound === undefined ? "" : `${bound} ${verdict}`;
    return [measure, variant, `${number(median)} ${unit}`.trim(), range, String(values.length), goal, also];
  });
  const table = [["measure", "what", "median", "min–max", "n", "goal", ""], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  console.log();
  for (const row of table) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("  "));
  console.log();
}
