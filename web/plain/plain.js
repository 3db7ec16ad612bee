// The page of a program that was built without the full one: what there is, as tables, live.

const STORED = "kith-page-key";
const LOG_MAX = 300;
const ROWS_MAX = 500;
const LETTERS_EVERY_MS = 2000;
/** Longest event that is read, as in src/stream.ts. */
const EVENT_MAX = 4 << 20;
// As src/text.rs: what is not seen, or changes the order in which others are seen.
const DECEIVES =
  /[\p{Cc}\p{Cs}\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{e0000}-\u{e0fff}]/gu;

const state = { me: "", nodes: new Map(), links: new Map(), transfers: new Map(), told: null, log: [], letters: [] };
const at = (id) => document.getElementById(id);
const clip = (text, max) => (text.length > max ? `${Array.from(text).slice(0, max - 1).join("")}…` : text);
const safe = (text, max = 60) =>
  clip(String(text ?? "").slice(0, max * 4).replace(DECEIVES, (c) => `\\u{${c.codePointAt(0).toString(16)}}`), max);
const name = (id) => safe(state.nodes.get(id)?.label).trim() || id.slice(0, 8);
const ms = (us) => (us ? `${(us / 1000).toFixed(us < 10_000 ? 2 : 0)} ms` : "–");
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const clock = (time) => new Date(time).toLocaleTimeString();

const send = (path, init = {}) =>
  fetch(`/api/v1/${path}`, {
    credentials: "same-origin",
    cache: "no-store",
    ...init,
    headers: { "X-Kith-Page": localStorage.getItem(STORED) ?? "", ...init.headers },
  });

let linkKey = location.hash.slice(1);
if (linkKey) history.replaceState(null, "", location.pathname);

/** Exchanges the key of the link for a session; throws, and keeps the key, while the daemon is away. */
async function enter() {
  if (!linkKey) return;
  const headers = { "Content-Type": "application/json" };
  const answer = await send("session", { method: "POST", headers, body: JSON.stringify({ key: linkKey }) });
  if (answer.status >= 500) throw new Error(answer.status);
  linkKey = "";
  if (answer.ok) localStorage.setItem(STORED, (await answer.json()).page_key);
}

function over() {
  at("main").replaceChildren("No session. On the machine of the daemon run “node open” (with the -c and -p it was started with), and open the link that it prints.");
  at("stream").textContent = "not signed in";
}

function table(id, heads, rows) {
  const line = (cells, tag) => {
    const row = document.createElement("tr");
    for (const cell of cells) row.append(Object.assign(document.createElement(tag), { textContent: cell }));
    return row;
  };
  const more = rows.length > ROWS_MAX ? [line([`and ${rows.length - ROWS_MAX} more`], "td")] : [];
  const none = rows.length === 0 ? [line(["none"], "td")] : [];
  at(id).replaceChildren(line(heads, "th"), ...rows.slice(0, ROWS_MAX).map((row) => line(row, "td")), ...more, ...none);
}

function show() {
  const nodes = [...state.nodes.values()].sort((a, b) => (name(a.id) < name(b.id) ? -1 : 1));
  table("nodes", ["Node", "Id", "State", "Since", "Addresses"], nodes.map((node) => [
    name(node.id), node.id.slice(0, 8) + (node.id === state.me ? " (this node)" : ""), safe(node.state),
    clock(node.since_ms), safe((node.addrs ?? []).join(", "), 120),
  ]));
  table("links", ["Dialled by", "Dialled", "Round trip", "State"],
    [...state.links.values()].map((link) => [name(link.from), name(link.to), ms(link.rtt_us), safe(link.state)]));
  table("transfers", ["Nr", "Kind", "Name", "State", "Done", "Rate", "Left", "Why"],
    [...state.transfers.values()].map((one) => [
      one.transfer, safe(one.kind), safe(one.name), safe(one.phase), `${mib(one.bytes_done)} of ${mib(one.bytes)}`,
      one.bytes_per_second ? `${mib(one.bytes_per_second)}/s` : "", one.eta_s == null ? "" : `${one.eta_s} s`,
      safe(one.problem ?? one.bottleneck, 200),
    ]));
  table("letters", ["With", "Came", "Unread", "Sent", "Under way"],
    state.letters.map((one) => [safe(one.label) || one.with.slice(0, 8), one.received, one.unread, one.sent, one.waiting]));
  at("log").textContent = state.log.join("\n");
}

let lettersDue = false;
let lettersAsked = -Infinity;

/** Asks for the conversations soon, never more than every 2 s however much news there is. */
function letters() {
  if (lettersDue) return;
  lettersDue = true;
  setTimeout(async () => {
    lettersDue = false;
    lettersAsked = performance.now();
    try {
      const answer = await send("letters?limit=1");
      if (answer.ok) state.letters = (await answer.json()).conversations;
    } catch {
      // The stream says that there is no daemon; when it is back they are asked for again.
    }
  }, Math.max(0, lettersAsked + LETTERS_EVERY_MS - performance.now()));
}

const key = (link) => `${link.from} ${link.to}`;
const take = (map, word) => (id, row) => {
  state[map].set(id, row);
  state.told?.add(`${word} ${id}`);
};
const hear = {
  node: (row) => take("nodes", "node")(row.id, row),
  link: (row) => take("links", "link")(key(row), row),
  transfer: (row) => take("transfers", "transfer")(row.transfer, row),
  gone: (row) => {
    state.nodes.delete(row.node);
    state.transfers.delete(row.transfer);
    if (row.link) state.links.delete(key(row.link));
  },
  // What a stream that began anew did not tell is not there any more.
  whole: () => {
    for (const [map, word] of [["nodes", "node"], ["links", "link"], ["transfers", "transfer"]])
      for (const id of state[map].keys()) if (!state.told?.has(`${word} ${id}`)) state[map].delete(id);
    state.told = null;
  },
  log: (line) => {
    state.log = [...state.log, `${clock(line.at_ms)} ${safe(line.level)} ${safe(line.text, 1000)}`].slice(-LOG_MAX);
  },
  status: (row) => {
    state.me = row.id;
    at("status").textContent = `${safe(row.label) || row.id.slice(0, 8)}: ${safe(row.health)}, ${row.nodes_alive} nodes alive, ${row.links} links, up ${row.uptime_s} s`;
    at("problems").textContent = (row.problems ?? []).map((one) => safe(one, 200)).join(" · ");
  },
};
for (const kind of ["letter", "outbox", "missed"]) hear[kind] = letters;

function event(text) {
  const field = (start) => text.split("\n").find((line) => line.startsWith(start))?.slice(start.length);
  const call = Object.hasOwn(hear, field("event: ") ?? "") && hear[field("event: ")];
  if (call) call(JSON.parse(field("data: ") ?? "{}"));
}

/** Enters, and reads the stream to its end; false when the session is over. */
async function read(signal) {
  await enter();
  const answer = await send("events", { signal });
  if (answer.status === 401) return false;
  if (!answer.ok) throw new Error(answer.status);
  at("stream").textContent = "live";
  Object.assign(state, { told: new Set(), log: [] });
  letters();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return true;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    if (rest.length > EVENT_MAX) throw new Error("an event without an end");
    parts.forEach(event);
  }
}

const showing = setInterval(show, 1000);
for (let wait = 500; ; wait = Math.min(wait * 2, 10_000)) {
  const begun = Date.now();
  const stop = new AbortController();
  const goes = await read(stop.signal).catch(() => true);
  stop.abort();
  if (!goes) break;
  if (Date.now() - begun > 10_000) wait = 500;
  at("stream").textContent = "not connected, trying again";
  await new Promise((wake) => setTimeout(wake, wait));
}
clearInterval(showing);
over();
