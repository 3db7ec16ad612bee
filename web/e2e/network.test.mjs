// The live picture: who is there, who is linked, who died.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FIVE, isWhole } from "./harness/daemons.mjs";
import { suite } from "./harness/suite.mjs";
import { until } from "./harness/wait.mjs";

/** A node that is killed must be shown as dead within this. */
const DEATH_MS = 2000;
/** A node that was there stays in its place, to the pixel or so. */
const STILL_PX = 2;

const world = suite();
const sorted = (list) => [...list].sort();

/** What the picture shows, in the words of `node graph`. */
const pictured = (page) => page.evaluate(() => {
  const all = (selector, what) => [...document.querySelectorAll(`#picture ${selector}`)].map(what);
  return {
    nodes: all("[data-node]", (node) => ({
      id: node.dataset.node, state: node.dataset.state, label: node.querySelector(".label").textContent,
      word: node.querySelector(".word").textContent, self: node.dataset.self === "true",
    })),
    links: all("[data-link]", (link) => link.dataset.link),
    rtts: all("[data-rtt]", (text) => ({ key: text.dataset.rtt, text: text.textContent, seen: getComputedStyle(text).visibility === "visible" })),
  };
});

/** When a node is next drawn in a state, by the clock that the tests share with the browser. */
const drawnAs = (page, id, state) => page.evaluate(([id, state]) => new Promise((done) => {
  const look = () => {
    if (document.querySelector(`#picture [data-node="${id}"]`)?.dataset.state !== state) return false;
    observer.disconnect();
    done(Date.now());
    return true;
  };
  const observer = new MutationObserver(look);
  if (!look()) observer.observe(document.querySelector("#picture"), { subtree: true, childList: true, attributes: true, attributeFilter: ["data-state"] });
}), [id, state]);

test("five nodes and all ten links are drawn, with labels and round trips", world.page({}, async (visit, t, five) => {
  const graph = await five.alice.json("graph");
  const seen = await pictured(visit.page);
  const row = (node) => `${node.id} ${node.label} ${node.state}`;
  assert.deepEqual(sorted(seen.nodes.map(row)), sorted(graph.nodes.map(row)), "as node graph has them");
  assert.deepEqual(sorted(seen.nodes.map((node) => node.label)), sorted(FIVE));
  assert.deepEqual(seen.nodes.filter((node) => node.self).map((node) => [node.id, node.word]), [[graph.self, "this node"]]);
  const keys = sorted(graph.links.map((link) => `${link.from}-${link.to}`));
  assert.equal(keys.length, 10);
  assert.deepEqual(sorted(seen.links), keys);
  assert.deepEqual(sorted(seen.rtts.map((rtt) => rtt.key)), keys);
  for (const { key, text } of seen.rtts) assert.match(text, /^\d+(\.\d+)? ms$/, `round trip of ${key}`);
  assert.deepEqual(seen.rtts.filter((rtt) => !rtt.seen), [], "each round trip finds room");
  await visit.shot("five-light");
  await visit.page.keyboard.press("t");
  await visit.shot("five-dark");
}));

test("the round trips drawn are those of the daemon", world.page({}, async (visit, t, five) => {
  const drawn = async () => (await pictured(visit.page)).rtts.map(({ key, text }) => `${key} ${text}`);
  const words = (us) => `${us / 1000 < 1 ? (us / 1000).toFixed(2) : (us / 1000).toFixed(1)} ms`;
  await until("picture and node graph agree", async () => {
    const { links } = await five.alice.json("graph");
    return sorted(links.map((link) => `${link.from}-${link.to} ${words(link.rtt_us)}`)).join() === sorted(await drawn()).join();
  });
}));

test("the tables agree with the command line", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  const { peers } = await five.alice.json("peers");
  await visit.tab("peers");
  const rows = await until("four peers in the table", async () => {
    const all = await page.locator("#panel-peers tbody tr").evaluateAll((list) => list.map((row) => [row.dataset.peer, row.cells[0].querySelector(".peer").textContent, row.dataset.state]));
    return all.length === 4 && all;
  });
  assert.deepEqual(sorted(rows.map(String)), sorted(peers.map((peer) => `${peer.id},${peer.label},alive`)));
  await page.keyboard.press("x");
  const graph = await five.alice.json("graph");
  const text = await page.locator("#text-table tr[data-link-row]").evaluateAll((list) => list.map((row) => [row.cells[0], row.cells[1]].map((cell) => cell.querySelector(".peer").textContent).join(">")));
  const label = new Map(graph.nodes.map((node) => [node.id, node.label]));
  assert.deepEqual(sorted(text), sorted(graph.links.map(({ from, to }) => `${label.get(from)}>${label.get(to)}`)));
  assert.equal(await page.locator("#text-table tr[data-node-row]").count(), 5);
  assert.equal(await page.locator("#nodes-alive").textContent(), "5 nodes alive");
}));

test("a killed node is shown as dead within 2 s, comes back, and nobody else moves", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  const { id } = five.erin;
  const places = await visit.places();
  const dead = drawnAs(page, id, "failed");
  const killed = await five.erin.kill();
  const took = (await dead) - killed;
  const { since_ms } = (await five.alice.json("graph")).nodes.find((node) => node.id === id);
  t.diagnostic(`killed -> drawn as failed: ${took} ms, of which the daemon took ${since_ms - killed}`);
  assert.ok(took <= DEATH_MS, `drawn as failed after ${took} ms`);
  await until("no link of it is drawn", async () => (await pictured(page)).links.every((key) => !key.includes(id)));
  assert.equal((await pictured(page)).nodes.find((node) => node.id === id).word, "failed");
  await until("the line at the top counts four", async () => (await page.locator("#nodes-alive").textContent()) === "4 nodes alive");
  await visit.settled();
  await visit.shot("one-dead");
  still(places, await visit.places(), "after the death");

  const back = drawnAs(page, id, "alive");
  const started = Date.now();
  await five.erin.start();
  t.diagnostic(`started again -> drawn as alive: ${(await back) - started} ms`);
  await until("all ten links are drawn", async () => (await pictured(page)).links.length === 10);
  await until("the daemon sees all", async () => isWhole(await five.alice.json("graph")));
  await visit.settled();
  still(places, await visit.places(), "after its return");
}));

function still(before, after, when) {
  const jumps = Object.entries(before).map(([id, [x, y]]) => Math.hypot(after[id][0] - x, after[id][1] - y));
  assert.ok(Math.max(...jumps) <= STILL_PX, `moved ${when}: ${jumps.map((px) => px.toFixed(1))} px`);
}

test("the way to a node is shown", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  await visit.node(five.carol.id).click();
  const card = page.locator("#card");
  await until("the card shows the way", async () => (await card.locator(".way").textContent()).startsWith("Way: alice → "));
  assert.equal(await card.getAttribute("data-card-for"), five.carol.id);
  assert.equal(await card.locator("h2").textContent(), "carol");
  await until("two nodes and a link at least are marked", async () => (await page.locator("#picture .on-path").count()) >= 3);
  await visit.shot("card");
}));

test("banning asks first: Esc keeps the node, the button bans it, and it may come back", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  const { id } = five.dave;
  const banned = async () => (await five.alice.json("peers")).peers.find((peer) => peer.id === id)?.banned ?? false;
  const card = page.locator("#card");
  const dialog = page.locator("dialog[open]");
  await visit.node(id).click();
  const ban = card.locator("[data-action=ban]");

  await ban.click();
  assert.match(await dialog.textContent(), /^Ban dave\?/);
  assert.equal(await page.evaluate(() => document.activeElement.name), "no", "Enter alone does no harm");
  await visit.shot("ban-asks");
  await page.keyboard.press("Escape");
  await until("the question is gone", async () => (await dialog.count()) === 0);
  assert.equal(await banned(), false, "Esc bans nobody");

  await ban.click();
  await dialog.locator("[name=yes]").click();
  await until("node peers says banned", banned);
  await until("the card says so", async () => /banned/.test(await card.textContent()));
  await until("the link is gone from the picture", async () => !(await pictured(page)).links.some((key) => key.includes(id) && key.includes(five.alice.id)));
  await visit.tab("peers");
  await until("the table says so", async () => /banned/.test(await page.locator(`#panel-peers tr[data-peer="${id}"]`).textContent()));

  await card.locator("[data-action=unban]").click();
  await until("node peers says not banned", async () => !(await banned()));
  await until("the button offers to ban", async () => (await ban.count()) === 1);
  await until("they are linked again", async () => isWhole(await five.alice.json("graph")), 40_000);
}));

test("dark and light: as the system says, until a person says otherwise", world.page({ dark: true }, async (visit) => {
  const { page } = visit;
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  const ground = () => page.evaluate(() => {
    const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).map(Number);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  });
  assert.equal(await theme(), "dark");
  assert.ok((await ground()) < 80, "dark is dark");
  await page.emulateMedia({ colorScheme: "light" });
  await until("it follows the system", async () => (await theme()) === "light");
  assert.ok((await ground()) > 180, "light is light");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.locator("#theme").click();
  assert.equal(await theme(), "light", "the switch wins over the system");
  await page.reload();
  await visit.drawn();
  assert.equal(await theme(), "light", "and is remembered");
  assert.ok((await ground()) > 180);
  await page.keyboard.press("t");
  assert.equal(await theme(), "dark");
}));

test("on a telephone everything fits its width", world.page({ width: 390, height: 844, phone: true }, async (visit, t, five) => {
  const { page } = visit;
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok((await wide()) <= 0, "nothing sticks out");
  assert.deepEqual(sorted((await pictured(page)).nodes.map((node) => node.label)), sorted(FIVE));
  await visit.shot("phone");
  await visit.node(five.bob.id).tap();
  await until("a tap opens the card", async () => await page.locator("#card").isVisible());
  assert.ok((await wide()) <= 0);
  await visit.shot("phone-card");
}));
