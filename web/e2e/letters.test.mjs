// Letters: written on the page and read elsewhere, and the other way.

import assert from "node:assert/strict";
import { test } from "node:test";
import { suite } from "./harness/suite.mjs";
import { until } from "./harness/wait.mjs";

const LETTER_MS = 30_000;
const world = suite();

test("a letter written on the page is read on another node, and the page tells so", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  const text = "lunch at twelve?\nUnder the clock — as always";
  await visit.tab("letters");
  await page.locator("form[name=write-to] [name=to]").fill("bob");
  await page.keyboard.press("Enter");
  await page.locator("form[name=letter] textarea").fill(text);
  const sent = Date.now();
  await page.locator("form[name=letter] button").click();
  const mine = page.locator("#panel-letters li.mine");
  await until("it stands in the conversation", async () => (await mine.locator(".text").textContent()) === text);
  const state = () => mine.getAttribute("data-state");
  await until("its state is delivered", async () => (await state()) === "delivered", LETTER_MS);
  t.diagnostic(`sent on the page -> shown as delivered: ${Date.now() - sent} ms`);
  const { letters } = await five.bob.json("pull");
  assert.deepEqual(letters.map((letter) => [letter.from, letter.text]), [[five.alice.id, text]]);
  await until("its state is read, now that it was pulled", async () => (await state()) === "read", LETTER_MS);
  assert.equal(await mine.locator(".pill").textContent(), "read");
  await visit.shot("letter-read");
}));

test("letters that come are counted, shown, and then seen", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  const badge = page.locator("#tab-letters .badge");
  const unseen = async () => (await five.alice.json("pull", "--peek")).letters.filter((letter) => !letter.read).length;
  await visit.tab("peers");
  await five.carol.ask("push", "--to", five.alice.id, "--msg", "The backup ran.\nAll 214 files are verified.", "--wait");
  await until("the tab counts it", async () => (await badge.textContent()) === "1", LETTER_MS);
  assert.equal(await unseen(), 1, "counting it is not seeing it");
  await visit.tab("letters");
  const conversation = page.locator(`.conversation[data-with="${five.carol.id}"]`);
  assert.match(await conversation.textContent(), /^carol1 new/);
  await conversation.click();
  const theirs = page.locator("#panel-letters li.theirs .text");
  await until("it is there", async () => (await theirs.count()) === 1);
  assert.equal(await theirs.textContent(), "The backup ran.\nAll 214 files are verified.");
  await until("the daemon holds it for seen", async () => (await unseen()) === 0);
  await until("the tab counts nothing", async () => (await badge.textContent()) === "");

  await five.carol.ask("push", "--to", five.alice.id, "--msg", "One more thing", "--wait");
  await until("the next appears by itself", async () => (await theirs.allTextContents()).includes("One more thing"), LETTER_MS);
  await page.locator("form[name=letter] textarea").fill("Thank you, both arrived.");
  await page.keyboard.press("Control+Enter");
  await until("the answer is delivered", async () => (await page.locator("#panel-letters li.mine").getAttribute("data-state")) === "delivered", LETTER_MS);
  await visit.shot("letters");
  await page.reload();
  await visit.drawn();
  await visit.tab("letters");
  await conversation.click();
  await until("what was seen is still there after a reload", async () => (await theirs.count()) === 2);
}));

test("a letter to nobody known is refused with what to do", world.page({}, async (visit) => {
  const { page } = visit;
  visit.allow(/the server responded with a status of 4\d\d/);
  await visit.tab("letters");
  await page.locator("form[name=write-to] [name=to]").fill("zaphod");
  await page.keyboard.press("Enter");
  await page.locator("form[name=letter] textarea").fill("are you there?");
  await page.keyboard.press("Control+Enter");
  const problem = page.locator("form[name=letter] [role=alert]");
  await until("it says why", async () => (await problem.textContent()).includes("zaphod"));
  saysEnough(await problem.innerText());
  assert.equal(await page.locator("form[name=letter] textarea").inputValue(), "are you there?", "what was written is not lost");
}));

/** A refusal has what, why and what to do: at least two lines. */
function saysEnough(text) {
  assert.ok(text.split(/\n+/).filter(Boolean).length >= 2, `what, why, and what to do: ${text}`);
}
