// All of it without a mouse, and for who does not see it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { suite } from "./harness/suite.mjs";
import { until } from "./harness/wait.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PANELS = ["peers", "transfers", "files", "letters", "relays", "log"];
const world = suite();
const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute("data-node") ?? document.activeElement?.id);

test("/ finds, Enter opens, Esc closes", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  await page.keyboard.press("/");
  assert.equal(await focused(page), "search");
  assert.equal(await page.locator("#search").inputValue(), "", "the key itself is not typed");
  await page.keyboard.type("caro");
  await until("one is found", async () => (await page.locator("#picture .found").count()) === 1);
  assert.equal(await page.locator("#picture .found").getAttribute("data-node"), five.carol.id);
  await page.keyboard.press("Enter");
  await until("its card opens", async () => (await page.locator("#card:not([hidden])").getAttribute("data-card-for")) === five.carol.id);
  await page.locator("#search").focus();
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#search").inputValue(), "");
  await until("nothing is marked as found", async () => (await page.locator("#picture .found").count()) === 0);
  await page.keyboard.press("Escape");
  await until("the card is closed", async () => await page.locator("#card").isHidden());
}));

test("? shows the keys, Esc closes them, and keys do nothing behind a dialog or in a field", world.page({}, async (visit) => {
  const { page } = visit;
  const dialog = page.locator("dialog[open]");
  await page.keyboard.press("?");
  assert.match(await dialog.textContent(), /find a node by label/);
  await visit.shot("keys");
  await page.keyboard.press("x");
  assert.equal(await page.locator("#text-table").isHidden(), true);
  await page.keyboard.press("Escape");
  assert.equal(await dialog.count(), 0);
  await page.keyboard.press("4");
  await page.locator("form[name=write-to] [name=to]").fill("");
  await page.keyboard.type("x?1/t");
  assert.equal(await page.locator("form[name=write-to] [name=to]").inputValue(), "x?1/t");
  assert.equal(await dialog.count(), 0);
}));

test("arrows go to each node of the picture, Enter opens it", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  await page.locator("#picture").focus();
  await page.keyboard.press("Home");
  assert.equal(await focused(page), five.alice.id, "Home is this node");
  const places = await visit.places();
  const keys = { ArrowRight: [0, 1], ArrowDown: [1, 1], ArrowLeft: [0, -1], ArrowUp: [1, -1] };
  const seen = new Set([five.alice.id]);
  for (const from of seen) {
    for (const [key, [axis, sign]] of Object.entries(keys)) {
      await visit.node(from).focus();
      await page.keyboard.press(key);
      const to = await focused(page);
      if (to !== from) assert.ok((places[to][axis] - places[from][axis]) * sign > 0, `${key} goes that way`);
      seen.add(to);
    }
  }
  assert.deepEqual([...seen].sort(), Object.keys(places).sort(), "arrows lead to every node");
  const at = await focused(page);
  await page.keyboard.press("Enter");
  await until("the card of it opens", async () => (await page.locator("#card:not([hidden])").getAttribute("data-card-for")) === at);
  for (const [number, name] of PANELS.entries()) {
    await page.keyboard.press(String(number + 1));
    assert.equal(await page.locator(`#panel-${name}`).isVisible(), true, `${number + 1} shows ${name}`);
  }
}));

/** Everything that can be used with a mouse now, by a number put on it. */
const controls = (page) => page.evaluate(() => {
  const usable = [...document.querySelectorAll("button, input, select, textarea, a[href], summary, [role=button], [tabindex='0']")].filter((element) =>
    !element.disabled && element.checkVisibility({ visibilityProperty: true }) && !element.closest("[inert]") && element.getAttribute("role") !== "tab");
  usable.forEach((element, at) => element.setAttribute("data-tab-stop", String(at)));
  return usable.map((element) => (element.getAttribute("aria-label") ?? element.id) || element.textContent || element.name);
});

test("the tabulator reaches every control, and comes round again", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  await visit.node(five.bob.id).click();
  for (const name of PANELS) {
    await visit.tab(name);
    await page.evaluate(() => document.activeElement.blur());
    const names = await controls(page);
    const reached = new Set();
    for (let n = 0; n < names.length + 12; n += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => document.activeElement?.getAttribute("data-tab-stop"));
      if (at !== null && at !== undefined) reached.add(Number(at));
    }
    const missed = names.filter((_, at) => !reached.has(at));
    assert.deepEqual(missed, [], `with ${name} shown, of ${names.length} controls`);
    await page.evaluate(() => document.querySelectorAll("[data-tab-stop]").forEach((element) => element.removeAttribute("data-tab-stop")));
  }
}));

/** What axe-core finds wrong. It is put in from outside of the page, where the policy does not reach. */
async function ails(page) {
  await page.evaluate(AXE);
  return await page.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    // It takes the letter drawn in a node's disc for a part of its name.
    const rules = { "label-content-name-mismatch": { enabled: false } };
    const { violations, passes } = await globalThis.axe.run(document, { runOnly: { type: "tag", values: tags }, rules, resultTypes: ["violations"] });
    return { found: violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary.split("\n")[1]?.trim()}`)), rules: violations.length + passes.length };
  });
}

for (const dark of [false, true]) {
  test(`axe-core finds nothing wrong, ${dark ? "dark" : "light"}`, world.page({ dark }, async (visit, t, five) => {
    const { page } = visit;
    const all = [];
    let most = 0;
    const look = async (where) => {
      await until("nothing moves", () => page.evaluate(() => document.getAnimations().every((one) => one.playState !== "running")));
      const { found, rules } = await ails(page);
      most = Math.max(most, rules);
      all.push(...found.map((one) => `${where}: ${one}`));
    };
    // The colours differ, the structure does not.
    for (const name of dark ? ["peers"] : PANELS) {
      await visit.tab(name);
      await look(name);
    }
    await visit.node(five.bob.id).click();
    await until("the way is shown", async () => (await page.locator("#card .way").textContent()) !== "");
    await look("card");
    await page.locator("#card [data-action=ban]").click();
    await look("question");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await page.keyboard.press("x");
    await look("as text");
    assert.ok(most >= 20, `axe-core did look: ${most} rules`);
    assert.equal([...new Set(all)].join("\n"), "");
  }));
}
