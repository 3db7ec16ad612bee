// Prints what the page weighs: each file, raw and as it would travel compressed.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const dist = new URL("dist", import.meta.url).pathname;
const kib = (bytes) => `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;
const total = { raw: 0, gzip: 0 };

for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || entry.name.startsWith(".")) continue;
  const path = join(entry.parentPath ?? entry.path, entry.name);
  const body = await readFile(path);
  const gzip = gzipSync(body, { level: 9 }).length;
  total.raw += body.length;
  total.gzip += gzip;
  console.log(`${kib(body.length)} ${kib(gzip)} gzip  ${path.slice(dist.length + 1)}`);
}
console.log(`${kib(total.raw)} ${kib(total.gzip)} gzip  the whole page`);
