// Labels, file names, letters and shouts that mean harm: text, and nothing else.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { suite } from "./harness/suite.mjs";
import { until } from "./harness/wait.mjs";

const IMG = "<img src=x onerror=alert(1)>";
const RTL = "\u202egnp.exe\u202c\u200b";
const LONG = "W".repeat(64);
const SVG = "\"><svg onload=alert(2)>'`${7*7}";
const SCRIPT = "<script>alert(3)</script>\u202e<b>bold?</b>\n<a href=javascript:alert(4)>here</a>";
const FILE = "<img src=y onerror=alert(5)>.txt";

const world = suite({ labels: { bob: IMG, carol: RTL, dave: LONG, erin: SVG } });
const DECEIVES = /[\u200b-\u200f\u202a-\u202e\u2066-\u2069]/;

/** Elements and attributes that only hostile text could have made. */
const made = (page) => page.evaluate(() => ({
  scripts: document.querySelectorAll("script").length,
  images: [...document.images].filter((image) => !image.getAttribute("src").startsWith("/")).length,
  handlers: [...document.querySelectorAll("*")].filter((element) => [...element.attributes].some(({ name }) => name.startsWith("on"))).length,
  foreign: document.querySelectorAll("iframe, object, embed, base, b, a[href^=javascript], svg[onload], foreignObject, style").length,
  title: document.title,
}));
const HARMLESS = { scripts: 1, images: 0, handlers: 0, foreign: 0, title: "alice · kith" };

async function inert(visit, where) {
  assert.deepEqual(await made(visit.page), HARMLESS, where);
  const attributes = await visit.page.evaluate(() => [...document.querySelectorAll("*")].flatMap((element) => [...element.attributes].map(({ value }) => value)));
  const text = await visit.page.evaluate(() => document.body.textContent);
  for (const one of [text, ...attributes]) assert.doesNotMatch(one, DECEIVES, `${where}: nothing turns text around`);
}

test("labels are text in the picture, the tables, the card, the search and the questions", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  await inert(visit, "picture and peers");
  const labels = await page.locator("#picture [data-node] .label").allTextContents();
  assert.equal(labels.filter((label) => label.endsWith("…")).length, 4, `what is long is cut in the picture: ${labels}`);
  const cells = await until("four peers in the table", async () => {
    const cells = await page.locator("#panel-peers tbody .peer").allTextContents();
    return cells.length === 4 && cells;
  });
  assert.ok(cells.includes(IMG) && cells.includes(SVG), `as it is written: ${cells}`);
  assert.ok(cells.includes("\\u{202e}gnp.exe\\u{202c}\\u{200b}"), "what is not seen is made visible");
  assert.ok(cells.some((label) => /^W{20,}…$/.test(label)), "what is long is cut");
  await page.keyboard.press("x");
  await inert(visit, "as text");
  await visit.shot("hostile-text");
  await page.keyboard.press("x");
  await page.locator("#search").fill("<img");
  await page.keyboard.press("Enter");
  await until("the card is there", async () => (await page.locator("#card h2").textContent()) === IMG);
  await inert(visit, "card and search");
  await page.locator("#card [data-action=ban]").click();
  await inert(visit, "question");
  await visit.shot("hostile");
  await page.keyboard.press("Escape");
  for (const name of ["relays", "letters", "files", "log", "transfers", "peers"]) {
    await visit.tab(name);
    await inert(visit, name);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, "a long label pushes nothing out");
}));

test("letters, file names and shouts are text", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  await five.bob.ask("push", "--to", five.alice.id, "--msg", SCRIPT, "--wait");
  await visit.tab("letters");
  await page.locator(`.conversation[data-with="${five.bob.id}"]`).click();
  const letter = page.locator("#panel-letters li.theirs .text");
  await until("the letter is there", async () => (await letter.count()) === 1);
  assert.equal(await letter.textContent(), SCRIPT.replace("\u202e", "\\u{202e}"));
  await inert(visit, "letter");

  const path = join(five.home, FILE);
  writeFileSync(path, "harmless\n");
  const ticket = (await five.dave.ask("share", path, "--progress", "none")).trim();
  await visit.tab("files");
  await page.locator("form[name=get] [name=ticket]").fill(ticket);
  await page.locator("form[name=get] button").click();
  const row = page.locator("#panel-transfers [data-transfer]");
  await until("it is got", async () => (await row.getAttribute("data-phase")) === "done", 30_000);
  assert.equal(await row.locator(".name").textContent(), FILE);
  await inert(visit, "transfer");
  await visit.tab("files");
  await inert(visit, "file");

  await five.erin.ask("shout", SCRIPT.split("\n")[0]);
  await visit.tab("log");
  await until("the shout is in the log", async () => (await page.locator("#panel-log").textContent()).includes("<script>alert(3)</script>"));
  await inert(visit, "log");
}));
