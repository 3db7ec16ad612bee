// Real Chromium, and what must be true of every page in it: it asks nobody but its own daemon, breaks no policy,
// opens no dialog of its own and complains of nothing.

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { until } from "./wait.mjs";

const SHOTS = fileURLToPath(new URL("../shots/", import.meta.url));
const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const ARGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  // Whatever tries to leave this machine finds no names.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"];

export function chromiumPath() {
  const path = [process.env.CHROMIUM, ...PATHS].find((path) => path && existsSync(path));
  if (!path) throw new Error("there is no Chromium: install it (Debian: apt-get install chromium fonts-dejavu-core), or name one in CHROMIUM");
  return path;
}

export async function launch() {
  const executablePath = chromiumPath();
  const start = (chromiumSandbox) => chromium.launch({ executablePath, headless: true, args: ARGS, chromiumSandbox });
  // Chromium refuses its sandbox to root; where the kernel refuses it to others, it is run without.
  if (process.getuid?.() === 0) return await start(false);
  return await start(true).catch(() => start(false));
}

/** A page of a browser that was never here before. */
export class Visit {
  #allowed = [];
  complaints = [];
  requests = [];

  static async open(browser, { origin, dark = false, width = 1280, height = 800, phone = false, proxy } = {}) {
    const visit = new Visit();
    visit.origin = origin;
    visit.context = await browser.newContext({
      viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion: "no-preference",
      hasTouch: phone, isMobile: phone, deviceScaleFactor: phone ? 2 : 1, ...(proxy && { proxy }),
    });
    visit.page = await visit.context.newPage();
    await visit.#watch();
    return visit;
  }

  async #watch() {
    const { page } = this;
    page.on("request", (request) => {
      this.requests.push(request.url());
      const { protocol, origin } = new URL(request.url());
      if (protocol !== "data:" && origin !== this.origin) this.complaints.push(`asked elsewhere: ${request.url()}`);
    });
    page.on("websocket", (socket) => this.complaints.push(`opened a socket: ${socket.url()}`));
    page.on("console", (message) => {
      if (["error", "warning", "assert"].includes(message.type())) this.#complain(`console ${message.type()}: ${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => this.#complain(`error: ${error.stack}`));
    page.on("crash", () => this.#complain("the page crashed"));
    page.on("popup", () => this.complaints.push("opened a window"));
    page.on("dialog", (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.addInitScript(() => {
      globalThis.violations = [];
      document.addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
    });
  }

  #complain(text) {
    if (!this.#allowed.some((pattern) => pattern.test(text))) this.complaints.push(text);
  }

  /** What a test provokes on purpose may be complained of. */
  allow(...patterns) {
    this.#allowed.push(...patterns);
  }

  /** Goes in through a link of the daemon, and waits until `nodes` are drawn. */
  async enter(link, nodes = 5) {
    const answer = await this.page.goto(link);
    await this.drawn(nodes);
    return answer;
  }

  async drawn(nodes = 5) {
    await until(`${nodes} nodes are drawn`, async () => (await this.page.locator("#picture [data-node]").count()) === nodes, 20_000);
    await this.settled();
  }

  /** Waits until the picture stands still: three looks in a row see the same places. */
  async settled() {
    let before = "";
    let same = 0;
    await until("the picture stands still", async () => {
      const now = JSON.stringify(await this.places());
      same = now === before ? same + 1 : 0;
      before = now;
      return same >= 3;
    }, 20_000);
  }

  /** Where each node is drawn: id to [x, y]. */
  places() {
    return this.page.evaluate(() => Object.fromEntries([...document.querySelectorAll("#picture [data-node]")].map((node) => {
      const numbers = node.getAttribute("transform")?.match(/-?[\d.]+/g) ?? [];
      return [node.dataset.node, numbers.map(Number)];
    })));
  }

  tab(name) {
    return this.page.locator(`#tab-${name}`).click();
  }

  node(id) {
    return this.page.locator(`#picture [data-node="${id}"]`);
  }

  async shot(name) {
    mkdirSync(SHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SHOTS}${name}.png`, animations: "disabled" });
  }

  /** Fails if anything was not as it must be. */
  async clean() {
    const violations = await this.page.evaluate(() => globalThis.violations ?? []).catch(() => []);
    assert.deepEqual([...this.complaints, ...violations], [], "the page asks only its daemon and complains of nothing");
    assert.ok(this.requests.length > 0, "requests were seen at all");
  }

  async close() {
    await this.clean();
    await this.context.close();
  }
}
