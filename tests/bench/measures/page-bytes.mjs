// What the smallest page has to fetch that meets others and says hello.
import { BUDGET_BYTES, measure } from "../../../scripts/lib/sizes.mjs";
import { prepareContenders, present, RIVAL_LIBRARIES } from "../lib/contenders.mjs";
import { figure } from "../lib/figures.mjs";

export const title = "bytes a page loads";
export const defaultRuns = 1;
export const prepare = prepareContenders;

const line = (variant, { raw, gzip, brotli }, most) =>
  figure({
    measure: "page bytes (brotli)",
    variant,
    unit: "B",
    values: [brotli],
    most,
    also: `raw ${raw.toLocaleString("en-US")}, gzip ${gzip.toLocaleString("en-US")}`,
  });

export async function run() {
  const rows = await measure();
  const figures = rows.map((row) =>
    row.name === "together" ? line("Peerloom", row, BUDGET_BYTES) : line(`Peerloom: ${row.name}`, row),
  );
  for (const { name, sizePage } of present(RIVAL_LIBRARIES)) {
    figures.push(line(name, (await measure(sizePage)).at(-1)));
  }
  return figures;
}
