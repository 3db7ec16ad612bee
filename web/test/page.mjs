// The built page in Chromium against the made-up daemon: npm run test:page. CHROMIUM names the browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(executablePath)) throw new Error(`no ${executablePath}: install chromium, or name it in CHROMIUM`);
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args });
const open = [];

/** A mock of its own, and a page that is not there yet; `odd` are things that must not have happened. */
async function stand(flags = [], context = {}) {
  const mock = spawn(process.execPath, ["mock/server.mjs", "--port", "0", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  open.push(mock);
  const link = await new Promise((resolve) => mock.stdout.once("data", (text) => resolve(String(text).trim())));
  const { origin } = new URL(link);
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 }, ...context })).newPage();
  const odd = [];
  page.on("console", (message) => message.type() === "error" && odd.push(message.text()));
  page.on("pageerror", (error) => odd.push(error.stack));
  page.on("request", (request) => request.url().startsWith(origin) || odd.push(`asked ${request.url()}`));
  const act = (action, body = {}) => fetch(`${origin}/mock/${action}`, { method: "POST", body: JSON.stringify(body) });
  const node = (name) => page.locator(`[data-node]:has(.label:text-is("${name}"))`);
  return { page, act, node, odd, origin, link };
}

/** As `stand`, and the page is signed in. */
async function enter(flags, context) {
  const all = await stand(flags, context);
  await all.page.goto(all.link);
  await all.page.waitForSelector('[data-stream="live"]');
  return all;
}

/** Waits for the frame in which so many fit: the picture is drawn once a frame, after what asked for it. */
const drawn = (page, selector, count) =>
  page.waitForFunction(([what, many]) => document.querySelectorAll(what).length === many, [selector, count]);

const PLAIN = ["--still", "--dist", "plain"];
const saysPlainly = (page, words) => page.waitForFunction((text) => document.getElementById("stream").textContent === text, words);

const tests = {
  async "five nodes are drawn with names, states, round trips and who is this one"() {
    const { page, odd, origin } = await enter(["--still"]);
    await page.waitForSelector("[data-node] >> nth=4");
    assert.deepEqual((await page.locator("[data-node] .label").allTextContents()).sort(), ["alice", "bob", "carol", "dave", "erin"]);
    await drawn(page, '[data-node][data-state="alive"]', 5);
    assert.equal(await page.locator("[data-node][data-self] .label").textContent(), "alice");
    await drawn(page, "[data-link]", 10);
    assert.match(await page.locator("[data-link] >> nth=0").textContent(), /^\w+ dialled \w+: (\d+(\.\d+)? ms|–)$/);
    assert.equal(page.url(), `${origin}/`, "the key left the address bar");
    assert.match(await page.locator("#status").textContent(), /alice8f1b6146ok5 nodes alive/);
    assert.deepEqual(odd, []);
  },

  async "a node that fails is shown so at once, in its place, and is gone when it is gone"() {
    const { page, act, node, odd } = await enter(["--still"]);
    const place = await node("erin").getAttribute("transform");
    await act("kill", { node: "erin" });
    await page.waitForSelector('[data-node][data-state="failed"]');
    await page.waitForFunction(() => document.getElementById("live").textContent === "erin failed");
    assert.equal(await node("erin").locator(".word").textContent(), "failed");
    assert.equal(await node("erin").getAttribute("transform"), place);
    await drawn(page, "[data-link]", 6);
    await page.waitForSelector("#problems:not([hidden])");
    assert.equal(await node("erin").getAttribute("transform"), place, "the words about it push nothing away");
    await act("gone", { node: "erin" });
    await drawn(page, "[data-node]", 4);
    assert.deepEqual(odd, []);
  },

  async "a node's card shows it, the way to it and what was seen; a ban is asked about first"() {
    const { page, node, odd } = await enter(["--still"]);
    await node("bob").click();
    await page.waitForSelector("#card .way:not(:empty)");
    assert.match(await page.locator("#card").textContent(), /bob.*db4eb995.*192\.0\.2\.2:8011.*Way: alice → bob/s);
    await drawn(page, ".link.on-path", 1);
    await page.click('[data-action="ban"]');
    assert.match(await page.locator("dialog").textContent(), /Ban bob\?.*refuses it from now on/);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator('[data-node][data-state="failed"]').count(), 0);
    await page.click('[data-action="ban"]');
    await page.click('dialog [name="yes"]');
    await page.waitForSelector('[data-node][data-state="failed"]');
    await page.waitForSelector('[data-action="unban"]');
    await page.keyboard.press("Escape");
    assert.ok(await page.locator("#card").isHidden());
    assert.deepEqual(odd, []);
  },

  async "a node that is dragged goes there and stays, the others do not move, and a click is no drag"() {
    const { page, node, act, odd } = await enter();
    const places = async () => Object.fromEntries(await page.locator("[data-node]").evaluateAll((all) => all.map((one) => [one.querySelector(".label").textContent, one.getAttribute("transform")])));
    const before = await places();
    const box = await node("dave").locator(".disc").boundingBox();
    await page.mouse.move(box.x + 10, box.y + 10);
    await page.mouse.down();
    await page.mouse.move(box.x + 80, box.y + 50, { steps: 5 });
    await page.mouse.up();
    const after = await places();
    assert.notEqual(after.dave, before.dave);
    assert.deepEqual({ ...after, dave: 0 }, { ...before, dave: 0 });
    assert.ok(await page.locator("#card").isHidden(), "a drag opens no card");
    await act("kill", { node: "erin" });
    await page.waitForSelector('[data-node][data-state="failed"]');
    await act("revive", { node: "erin" });
    await drawn(page, "[data-link]", 10);
    await page.waitForTimeout(1500);
    assert.deepEqual(await places(), after, "nor do round trips, failures and returns move anything");
    await page.mouse.wheel(0, -300);
    await page.waitForFunction((old) => document.querySelector("[data-self]").getAttribute("transform") !== old, after.alice);
    await page.focus("#picture");
    await page.keyboard.press("f");
    assert.deepEqual(odd, []);
  },

  async "a way over several nodes is highlighted whole"() {
    const { page, odd } = await enter(["--still", "--nodes", "18", "--links", "26"]);
    await page.click('tr[data-peer]:has-text("trent")');
    await page.waitForSelector("#card .way:not(:empty)");
    assert.match(await page.locator("#card .way").textContent(), /^Way: alice → bob → mallory → rupert → trent/);
    await drawn(page, ".link.on-path", 4);
    await drawn(page, ".node.on-path", 5);
    assert.deepEqual(odd, []);
  },

  async "the keyboard reaches nodes, search, tabs, help and theme"() {
    const { page, odd } = await enter(["--still"], { colorScheme: "dark" });
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await theme(), "dark");
    await page.focus("#picture");
    await page.keyboard.press("Home");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "alice, this node, alive");
    await page.keyboard.press("ArrowDown");
    assert.notEqual(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "alice, this node, alive");
    await page.keyboard.press("Enter");
    assert.ok(await page.locator("#card").isVisible());
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    await page.keyboard.type("dav");
    await drawn(page, ".node.found", 1);
    assert.equal(await page.locator(".node.found .label").textContent(), "dave");
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("#card h2").textContent(), "dave");
    await page.keyboard.press("Escape");
    await page.keyboard.press("6");
    assert.ok(await page.locator("#panel-log").isVisible());
    await page.keyboard.press("?");
    assert.match(await page.locator("dialog").textContent(), /find a node/);
    await page.keyboard.press("Escape");
    await page.keyboard.press("t");
    assert.equal(await theme(), "light");
    await page.reload();
    await page.waitForSelector('[data-stream="live"]');
    assert.equal(await theme(), "light");
    assert.deepEqual(odd, []);
  },

  async "a letter that is opened is acknowledged; one is written and its states are followed"() {
    const { page, odd, act } = await enter(["--still"]);
    await page.waitForFunction(() => document.querySelector("#tab-letters .badge").textContent === "2");
    await page.click("#tab-letters");
    await page.click('.conversation:has-text("bob")');
    await page.waitForSelector('.theirs:has-text("or one, if that suits you better")');
    await page.waitForFunction(() => document.querySelector("#tab-letters .badge").textContent === "1");
    await act("letter", { node: "bob", text: "are you there?" });
    await page.waitForSelector('.theirs:has-text("are you there?")');
    await page.fill('form[name="letter"] textarea', "I am <b>here</b>");
    await page.click('form[name="letter"] button');
    await page.waitForSelector('.mine:has-text("I am <b>here</b>")[data-state="read"]');
    assert.deepEqual(odd, []);
  },

  async "a file is shared and a ticket got; the progress is seen; a stop is asked about first"() {
    const { page, odd } = await enter(["--still"]);
    await page.click("#tab-files");
    await page.fill('form[name="share"] [name="path"]', "/srv/new.iso");
    await page.click('form[name="share"] button');
    await page.waitForSelector('[data-transfer]:has-text("new.iso")[data-phase="done"]');
    await page.click("#tab-files");
    await page.fill('form[name="get"] [name="ticket"]', "kith1abc");
    await page.click('form[name="get"] button');
    const got = page.locator('[data-transfer]:has-text("photos.tar")');
    await got.waitFor();
    assert.equal(await got.locator(".bar").getAttribute("aria-valuenow"), "0");
    await got.locator(".stop").click();
    await page.click('dialog [name="yes"]');
    await page.waitForSelector('[data-transfer]:has-text("photos.tar")[data-phase="stopped"]');
    assert.deepEqual(odd, []);
  },

  async "what is refused says what, why and what to do"() {
    const { page } = await enter(["--still"]);
    await page.click("#connect");
    await page.fill('dialog [name="addr"]', "nonsense");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".failure");
    assert.match(await page.locator(".failure").textContent(), /cannot read the request.*not an address with a port.*Try: write IP:port/);
  },

  async "labels of others do nothing but show"() {
    const { page, node, odd, act } = await enter(["--still", "--nodes", "14", "--hostile"]);
    await page.waitForSelector("[data-node] >> nth=13");
    await act("kill", { node: "<script>document.title='pwned'</script>" });
    await page.waitForSelector('[data-state="failed"]');
    await page.click('tr[data-peer]:has-text("onerror")');
    for (const tab of ["peers", "transfers", "files", "letters", "relays", "log"]) await page.click(`#tab-${tab}`);
    await page.keyboard.press("x");
    assert.equal(await page.title(), "alice · kith");
    assert.equal(await page.locator("#main img, #main b, main script, [onload], [onerror]").count(), 0);
    const texts = await page.evaluate(() => document.body.textContent);
    assert.doesNotMatch(texts, /[\u0000-\u0008\u000b-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
    assert.match(texts, /\\u\{202e\}gpj\.exe/);
    assert.ok((await page.locator("[data-node] .label").allTextContents()).every((label) => Array.from(label).length <= 22));
    assert.equal(await node("constructor").count(), 1);
    assert.deepEqual(odd, []);
  },

  async "a stream that breaks comes back; a session that is over is told so"() {
    const { page, act } = await enter(["--still"]);
    const places = () => page.locator("[data-node]").evaluateAll((all) => all.map((one) => one.getAttribute("transform")));
    const before = await places();
    await act("drop-streams");
    await page.waitForSelector('[data-stream="lost"]');
    await page.waitForSelector('[data-stream="live"]');
    assert.deepEqual(await places(), before);
    await act("forget-session");
    await act("drop-streams");
    await page.waitForSelector("#gate");
    assert.match(await page.locator("#gate").textContent(), /This session is over.*node open/);
  },

  async "who was not let in is told how"() {
    const { origin } = await enter(["--still"]);
    const stranger = await (await browser.newContext()).newPage();
    await stranger.goto(`${origin}/#WRONGKEY`);
    await stranger.waitForSelector("#gate");
    assert.match(await stranger.locator("#gate").textContent(), /node open/);
    assert.equal(stranger.url(), `${origin}/`);
  },

  async "a thousand nodes are drawn on a canvas, found, and opened"() {
    const { page, odd } = await enter(["--still", "--nodes", "1000", "--links", "8000"]);
    await page.waitForSelector("canvas.picture-canvas");
    await page.keyboard.press("/");
    await page.keyboard.type("heidi-17");
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("#card h2").textContent(), "heidi-17");
    assert.deepEqual(odd, []);
  },

  async "the plain page shows the same, and asks for letters every 2 s at most, whatever the news"() {
    const { page, act, odd, link, origin } = await stand(PLAIN);
    const asked = [];
    page.on("request", (request) => request.url().includes("/letters") && asked.push(Date.now()));
    await page.goto(link);
    await saysPlainly(page, "live");
    assert.equal(page.url(), `${origin}/`, "the key left the address bar");
    await page.waitForSelector("#nodes tr >> nth=5");
    for (let n = 0; n < 30; n += 1) await act("letter", { node: "bob", text: `letter ${n}` });
    await page.waitForSelector('#letters tr:has-text("bob"):has-text("32")');
    for (let n = 1; n < asked.length; n += 1) assert.ok(asked[n] - asked[n - 1] > 1500, `asked after ${asked[n] - asked[n - 1]} ms`);
    assert.deepEqual(odd, []);
  },

  async "the plain page enters once the daemon is there"() {
    const { page, link } = await stand(PLAIN);
    let away = true;
    await page.route("**/api/v1/**", (route) => (away ? route.abort() : route.continue()));
    await page.goto(link);
    await saysPlainly(page, "not connected, trying again");
    away = false;
    await saysPlainly(page, "live");
  },

  async "the plain page leaves a stream that never ends an event"() {
    const { page, link } = await stand(PLAIN);
    await page.addInitScript(() => {
      const ask = globalThis.fetch;
      globalThis.given = 0;
      const pull = (stream) => stream.enqueue(new Uint8Array(1 << 20).fill((globalThis.given += 1) && 120));
      globalThis.fetch = (path, init) => (path === "/api/v1/events" ? Promise.resolve(new Response(new ReadableStream({ pull }))) : ask(path, init));
    });
    await page.goto(link);
    await saysPlainly(page, "not connected, trying again");
    assert.ok((await page.evaluate(() => globalThis.given)) < 64);
  },

  async "a phone shows all of it without scrolling sideways"() {
    const { page, node, odd } = await enter(["--still"], { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    for (const tab of ["peers", "transfers", "files", "letters", "relays", "log"]) {
      await page.tap(`#tab-${tab}`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, tab);
    }
    await page.evaluate(() => scrollTo(0, 0));
    await node("bob").tap();
    await page.waitForSelector("#card:not([hidden])");
    assert.deepEqual(odd, []);
  },
};

let failures = 0;
for (const [name, test] of Object.entries(tests)) {
  const begun = Date.now();
  try {
    await test();
    console.log(`ok    ${name} (${Date.now() - begun} ms)`);
  } catch (error) {
    failures += 1;
    console.log(`FAILED ${name}\n${error.stack}`);
  }
  for (const context of browser.contexts()) await context.close();
  for (const mock of open.splice(0)) mock.kill();
}
await browser.close();
console.log(`${Object.keys(tests).length - failures} of ${Object.keys(tests).length} passed`);
process.exit(failures ? 1 : 0);
