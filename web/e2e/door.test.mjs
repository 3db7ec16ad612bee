// Who gets in, what the page may do, and what is shown when the daemon is not there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Visit } from "./harness/browser.mjs";
import { suite } from "./harness/suite.mjs";
import { until } from "./harness/wait.mjs";
import { Wire } from "./harness/wire.mjs";

const world = suite();
const gate = (page) => page.locator("#gate:not([hidden])");
const stream = (page) => page.locator("#stream").getAttribute("data-stream");
const REFUSED = /the server responded with a status of 401/;
const GONE = /net::ERR_/;

test("the link lets in, its key leaves the address bar, and a reload needs no new one", world.page({ enter: false }, async (visit, t, five) => {
  const { page } = visit;
  const link = await five.alice.link();
  const [, key] = link.split("#");
  assert.match(key, /^[a-z0-9]{26}$/);
  const answer = await visit.enter(link);
  assert.equal(page.url(), `${five.alice.origin}/`);
  assert.ok(!(await page.evaluate(() => JSON.stringify([location.href, document.referrer, history.state, { ...localStorage }, { ...sessionStorage }]))).includes(key), "the key is kept nowhere");
  assert.ok(visit.requests.every((url) => !url.includes(key)), "the key is in no address that was asked for");
  await page.goBack().catch(() => null);
  assert.ok(!page.url().includes(key), "nor one step back");
  await page.goto(`${five.alice.origin}/`);
  await visit.drawn();
  await page.reload();
  await visit.drawn();

  const policy = answer.headers()["content-security-policy"];
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) {
    assert.ok(policy.split(/; */).includes(part), `${part} in ${policy}`);
  }
  assert.ok(!/unsafe|\*/.test(policy));
  assert.equal(answer.headers()["x-content-type-options"], "nosniff");
  assert.equal(answer.headers()["referrer-policy"], "no-referrer");
  const [cookie] = await visit.context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"]);
}));

test("the policy is in force: a script in the page and a request elsewhere are stopped", world.page({}, async (visit) => {
  const { page } = visit;
  await page.evaluate(async () => {
    const script = document.createElement("script");
    script.textContent = "globalThis.ran = true";
    document.body.append(script);
    await fetch("http://127.0.0.1:9/").catch(() => {});
  });
  assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  const violations = await until("both were stopped", () => page.evaluate(() => globalThis.violations.length >= 2 && globalThis.violations.splice(0)));
  assert.deepEqual(violations, ["script-src-elem inline", "connect-src http://127.0.0.1:9/"]);
  assert.ok(visit.complaints.length >= 2, "and this harness sees such things");
  visit.complaints.splice(0);
}));

test("a link works once; the second to use it, and who has none, are told what to do", world.page({ enter: false }, async (visit, t, five) => {
  const link = await five.alice.link();
  await visit.enter(link);
  for (const [who, address] of [["second", link], ["none", `${five.alice.origin}/`], ["guess", `${five.alice.origin}/#${"a".repeat(26)}`]]) {
    const other = await Visit.open(world.browser, { origin: five.alice.origin });
    other.allow(REFUSED);
    await other.page.goto(address);
    await until(`${who}: the gate is there`, async () => (await gate(other.page).count()) === 1);
    assert.match(await gate(other.page).innerText(), /node open/, who);
    assert.equal(await other.page.locator("#picture [data-node]").count(), 0, `${who} sees nothing of the network`);
    assert.ok(!other.page.url().includes("#"));
    if (who === "second") await other.shot("gate");
    await other.close();
  }
  assert.equal(await stream(visit.page), "live", "the first is still in");
}));

test("who signs out hears nothing any more; a new link in the same tab lets in again", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  visit.allow(REFUSED);
  const ended = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/api/v1/events"));
  await page.locator("#leave").click();
  await until("signed out", async () => (await gate(page).count()) === 1);
  await ended;
  await until("nothing behind the gate has the keyboard", () => page.evaluate(() => document.activeElement === document.body));
  const key = await page.evaluate(() => localStorage.getItem("kith-page-key"));
  assert.equal(key, null);
  const status = await page.evaluate(() => fetch("/api/v1/status").then((answer) => answer.status));
  assert.equal(status, 401);
  await enterAgain(visit, five);
}));

/** Opens a new link where the page is already: the browser does not load the page for that. */
async function enterAgain({ page }, five) {
  await page.goto(await five.alice.link());
  await until("it is live again", async () => (await stream(page)) === "live" && (await gate(page).count()) === 0);
  await until("all are drawn", async () => (await page.locator("#picture [data-node]").count()) === 5);
  assert.equal(page.url(), `${five.alice.origin}/`);
}

test("the link that skips to the tables is no key", world.page({}, async (visit) => {
  const { page } = visit;
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  await page.reload();
  await visit.drawn();
}));

test("without the daemon the page says so, and a link brings it back", world.page({}, async (visit, t, five) => {
  const { page } = visit;
  visit.allow(REFUSED, GONE);
  const killed = await five.alice.kill();
  await until("it says so", async () => (await stream(page)) === "lost");
  t.diagnostic(`daemon killed -> the page says so: ${Date.now() - killed} ms`);
  assert.match(await page.locator("#stream").textContent(), /not connected, trying again/);
  assert.equal(await page.locator("#picture [data-node]").count(), 5, "what was known stays in sight");
  await visit.shot("daemon-gone");
  await five.alice.start();
  await until("the session is over, since the daemon is another", async () => /This session is over/.test(await gate(page).innerText()), 30_000);
  await visit.shot("session-over");
  await enterAgain(visit, five);
}));

test("when only the connection was lost the page goes on by itself", async (t) => {
  const wire = await Wire.open();
  t.after(() => wire.cut());
  await world.page({ proxy: { server: wire.address, bypass: "<-loopback>" } }, async (visit, t, five) => {
    const { page } = visit;
    visit.allow(GONE);
    await wire.cut();
    await until("it says so", async () => (await stream(page)) === "lost");
    await five.erin.kill();
    await wire.mend();
    const back = Date.now();
    await until("it is live again", async () => (await stream(page)) === "live", 30_000);
    t.diagnostic(`connection back -> live: ${Date.now() - back} ms`);
    await until("it has caught up", async () => (await visit.node(five.erin.id).getAttribute("data-state")) === "failed");
    await five.erin.start();
    await until("news come again", async () => (await visit.node(five.erin.id).getAttribute("data-state")) === "alive");
  })(t);
});
