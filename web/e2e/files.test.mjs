// Files: shared elsewhere and got on the page, its progress seen, what came equal to the byte.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { suite } from "./harness/suite.mjs";
import { until } from "./harness/wait.mjs";

const MIB = 1 << 20;
const BYTES = 16 * MIB;
/** So slow that its progress can be seen. */
const world = suite({ of: { alice: { "pieces.download_bytes_per_second": 4 * MIB } } });
const sha256 = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

test("a file shared on another node is got on the page, its progress seen, and verified", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  const path = join(five.home, "holiday.tar");
  writeFileSync(path, randomBytes(BYTES));
  const ticket = (await five.dave.ask("share", path, "--progress", "none")).trim();
  assert.match(ticket, /^kith1[a-z0-9]+$/);

  await visit.tab("files");
  await page.locator("form[name=get] [name=ticket]").fill(ticket);
  const seen = page.evaluate(() => new Promise((done) => {
    const seen = [];
    const look = () => {
      const row = document.querySelector("#panel-transfers [data-transfer]");
      const percent = Number(row?.querySelector("[role=progressbar]").getAttribute("aria-valuenow") ?? 0);
      if (row && seen.at(-1) !== percent) seen.push(percent);
      if (!["done", "failed", "stopped"].includes(row?.dataset.phase)) return;
      observer.disconnect();
      done(seen);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.querySelector("#panel-transfers"), { subtree: true, childList: true, attributes: true });
  }));
  await page.locator("form[name=get] button").click();
  const row = page.locator("#panel-transfers [data-transfer]");
  await until("half of it is there", async () => Number(await row.locator("[role=progressbar]").getAttribute("aria-valuenow")) >= 40, 30_000);
  assert.equal(await page.locator("#tab-transfers .badge").textContent(), "1");
  assert.match(await row.locator(".numbers").textContent(), /^get · \d+ % · .+ of 16 MiB · .+\/s · \d+:\d\d left/);
  assert.match(await row.locator(".sources").textContent(), /^from dave: \d+ pieces(, [1-9][\d.]* [KM]iB\/s)?$/);
  await visit.shot("transfer-running");

  await until("it is done", async () => (await row.getAttribute("data-phase")) === "done", 60_000);
  const steps = await seen;
  t.diagnostic(`progress seen: ${steps.join(" ")} %`);
  assert.deepEqual(steps, [...steps].sort((a, b) => a - b), "it only grows");
  assert.ok(steps.filter((percent) => percent > 0 && percent < 100).length >= 5, "in many steps");
  assert.equal(steps.at(-1), 100);
  assert.equal(await row.locator(".phase").textContent(), "verified");
  await visit.tab("files");
  const file = page.locator("#panel-files [data-file]");
  assert.match(await file.textContent(), /holiday\.tar.*16 MiB · all here/);
  const got = resolve(five.home, await file.locator(".name").getAttribute("title"));
  assert.notEqual(got, path);
  assert.equal(sha256(got), sha256(path));
  await visit.shot("files");
}));

test("a transfer is stopped after a question, and a file shared on the page is got elsewhere", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  const [mine, theirs] = [join(five.home, "notes.txt"), join(five.home, "film.mkv")];
  writeFileSync(mine, "buy milk\n");
  writeFileSync(theirs, randomBytes(BYTES * 4));
  const ticket = (await five.bob.ask("share", theirs, "--progress", "none")).trim();
  await visit.tab("files");
  await page.locator("form[name=get] [name=ticket]").fill(ticket);
  await page.locator("form[name=get] button").click();
  const row = page.locator("#panel-transfers [data-transfer]", { hasText: "film.mkv" });
  await until("it runs", async () => Number(await row.locator("[role=progressbar]").getAttribute("aria-valuenow")) > 0, 30_000);
  await row.locator(".stop").click();
  await page.locator("dialog[open] [name=yes]").click();
  await until("it is stopped", async () => (await row.getAttribute("data-phase")) === "stopped");
  const { transfers } = await five.alice.json("transfers");
  assert.equal(transfers.find((one) => one.name === "film.mkv").phase, "stopped");

  await visit.tab("files");
  await page.locator("form[name=share] [name=path]").fill(mine);
  await page.locator("form[name=share] button").click();
  const shared = await until("node pieces has it", async () => (await five.alice.json("pieces")).pieces.find((file) => file.name === "notes.txt"));
  const out = join(five.home, "copy.txt");
  await five.erin.ask("get", shared.ticket, "--out", out, "--progress", "none");
  assert.equal(readFileSync(out, "utf8"), "buy milk\n");
}));

test("a ticket that is none is refused beside its field, and nothing written is lost", world.page({}, async (visit) => {
  const { page } = visit;
  visit.allow(/the server responded with a status of 4\d\d/);
  await visit.tab("files");
  await page.locator("form[name=get] [name=ticket]").fill("kith1nonsense");
  await page.locator("form[name=get] button").click();
  const problem = page.locator("form[name=get] [role=alert]");
  await until("it says why", async () => (await problem.innerText()).trim().split(/\n+/).length >= 2);
  assert.equal(await page.locator("form[name=get] [name=ticket]").inputValue(), "kith1nonsense");
}));
