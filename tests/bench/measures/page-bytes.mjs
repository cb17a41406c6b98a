// What the smallest join-and-send page has to fetch.
import { BUDGET_BYTES, measure } from "../../../scripts/lib/sizes.mjs";
import { figure } from "../lib/figures.mjs";

export const title = "bytes a page loads";
export const defaultRuns = 1;

export async function run() {
  const rows = await measure();
  return rows.map(({ name, raw, gzip, brotli }) =>
    figure({
      measure: "page bytes (brotli)",
      variant: name,
      unit: "B",
      values: [brotli],
      most: name === "together" ? BUDGET_BYTES : undefined,
      also: `raw ${raw.toLocaleString("en-US")}, gzip ${gzip.toLocaleString("en-US")}`,
    }),
  );
}
