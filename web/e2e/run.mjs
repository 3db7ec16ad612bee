// npm run e2e [-- WORD]: the browser tests whose files have WORD in their name, one file after the other, because
// they measure times. KITH_NODE names the program, CHROMIUM the browser.

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { chromiumPath } from "./harness/browser.mjs";
import { nodePath } from "./harness/daemons.mjs";

const TEST_MS = 90_000;

for (const missing of [nodePath, chromiumPath]) {
  try {
    missing();
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}
const here = fileURLToPath(new URL(".", import.meta.url));
const word = process.argv[2] ?? "";
const files = readdirSync(here).filter((name) => name.endsWith(".test.mjs") && name.includes(word)).sort().map((name) => here + name);
if (files.length === 0) {
  console.error(`no test file has "${word}" in its name`);
  process.exit(2);
}
const tests = run({ files, concurrency: 1, timeout: TEST_MS });
tests.on("test:fail", () => {
  process.exitCode = 1;
});
tests.compose(spec).pipe(process.stdout);
