// npm test: every test; `node scripts/test.mjs SUITE ...` runs the named suites only.
import { ci } from "./lib/paths.mjs";
import { Failure } from "./lib/run.mjs";
import { main, say } from "./lib/steps.mjs";
import { prepare, suites } from "./lib/suites.mjs";

// What is cleaned up as this process exits would stay behind after a signal.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

await main(async () => {
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(suites);
  const unknown = names.find((name) => !(name in suites));
  if (unknown) throw new Failure(`no suite ${unknown}: there are ${Object.keys(suites).join(", ")}`);
  await prepare();

  const lines = [];
  let passed = 0;
  let failed = 0;
  for (const name of names) {
    const { title, run } = suites[name];
    say(`${title} …`);
    const result = await run().catch((error) => {
      if (!(error instanceof Failure)) throw error;
      console.error(error.message);
      return { passed: 0, failed: 1, skipped: [] };
    });
    passed += result.passed;
    // In CI nothing may be skipped: a missing part is a failure.
    failed += result.failed + (ci ? result.skipped.length : 0);
    lines.push(`${title}: ${result.passed} passed, ${result.failed} failed`);
    lines.push(...(result.notes ?? []).map((note) => `  ${note}`));
    lines.push(...result.skipped.map((reason) => `  skipped: ${reason}`));
    lines.push(...(result.failures ?? []).map((failure) => `  failed: ${failure}`));
  }
  say("all suites have ended");
  console.log(`\n${lines.join("\n")}\n`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
});
