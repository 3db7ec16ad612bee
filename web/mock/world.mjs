// A made-up network that changes a little each second.

import { createHash } from "node:crypto";

const NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia", "peggy", "rupert", "sybil", "trent", "victor", "walter", "zoë"];
export const HOSTILE = [
  "<script>document.title='pwned'</script>",
  "<img src=x onerror=document.title='pwned'>",
  "\u202egpj.exe\u202c",
  "a\u0000b\u001b[31mred\u0007",
  "x".repeat(5000),
  "שלום עולם مرحبا",
  `Z${"\u0301".repeat(60)}algo`,
  "\"><svg onload=document.title='pwned'>",
  "😀".repeat(200),
  "constructor",
  "__proto__",
  "\u200b\u200b\u200b",
  "{{7*7}} ${7*7}",
];
const LOG = [
  ["info", "kith::mesh", "link with bob (9dae25dc) is up, round trip 0.16 ms"],
  ["debug", "kith::heartbeat", "5 answers in 0.4 ms"],
  ["warn", "kith::registry", "203.0.113.7:8080 cannot be dialled: connection refused; next try in 4 s"],
  ["info", "kith::shout", "carol (3a86da6d) says: \"hello, I see 4 other nodes\""],
  ["error", "kith::exchange", "cannot write /srv/film.mkv: no space left on the device"],
  ["trace", "kith::wire", "frame of 132 bytes"],
];

export const idOf = (text) => createHash("sha256").update(text).digest("hex");

/** Always the same numbers, so that pictures can be compared. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export class World {
  nodes = new Map();
  links = new Map();
  transfers = new Map();
  files = new Map();
  banned = new Set();
  pinned = new Set();
  log = [];
  inbox = [];
  outbox = [];
  started = Date.now();
  next = 1;
  tell = () => {};

  constructor({ nodes, links, hostile }) {
    this.random = numbers(7);
    for (let n = 0; n < nodes; n += 1) this.addNode(n, hostile);
    this.me = [...this.nodes.keys()][0];
    const ids = [...this.nodes.keys()];
    const full = (ids.length * (ids.length - 1)) / 2;
    const wanted = Math.min(full, links ?? (nodes <= 12 ? full : nodes * 8));
    if (wanted === full) {
      ids.forEach((one, i) => ids.slice(i + 1).forEach((other) => this.addLink(one, other)));
    } else {
      ids.forEach((id, i) => i && this.addLink(id, ids[Math.floor(this.random() * i)]));
      while (this.links.size < wanted) this.addLink(this.pick(ids), this.pick(ids));
    }
    this.fill();
    for (let n = 0; n < 40; n += 1) this.say(...LOG[n % LOG.length]);
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  addNode(n, hostile) {
    const label = hostile && n > 0 ? HOSTILE[(n - 1) % HOSTILE.length] : n < NAMES.length ? NAMES[n] : `${NAMES[n % NAMES.length]}-${Math.floor(n / NAMES.length)}`;
    const id = idOf(`node ${n}`);
    this.nodes.set(id, { id, label, state: "alive", addrs: [`192.0.2.${(n % 250) + 1}:80${10 + (n % 80)}`, `[2001:db8::${(n + 1).toString(16)}]:8080`], since_ms: Date.now() - 1000 * (60 + n * 13), relay: n % 4 !== 3, mailbox: n % 3 === 0 });
    return id;
  }

  addLink(one, other) {
    if (one === other || this.links.has(`${other}-${one}`)) return;
    const [from, to] = this.random() < 0.5 || this.links.has(`${one}-${other}`) ? [one, other] : [other, one];
    const rtt_us = this.random() < 0.03 ? 0 : Math.round(10 ** (2 + this.random() * 3.5));
    this.links.set(`${from}-${to}`, { from, to, rtt_us, state: this.random() < 0.04 ? "half-open" : "confirmed" });
  }

  fill() {
    const [, bob, carol, dave] = [...this.nodes.keys()];
    const ticket = `kith1${"ne36zbtgk2ypapm7dreqnkuwfvgvd6gfjomxv5mouu3tfn67njbibaeaqacac2k34wxnvw7e4u3sdhho35k5dxcakxf".repeat(2)}`;
    const film = idOf("film");
    const file = (name, more = {}) => {
      const file_id = idOf(name);
      this.files.set(file_id, { file_id, name, path: `/srv/share/${name}`, bytes: 3_400_000, pieces: 4, pieces_held: 4, served: true, bytes_given: 120_000_000, holders: [bob].filter(Boolean), ticket, problem: null, ...more });
    };
    file("holiday.tar", { bytes: 734_003_200, pieces: 700, pieces_held: 700 });
    file("notes.pdf", { served: false, problem: "it was changed on the disk; share it again" });
    file("film", { name: "film.mkv", bytes: 1_073_741_824, pieces: 1024, pieces_held: 420, bytes_given: 0, holders: [bob, carol].filter(Boolean) });
    const base = { file_id: film, bottleneck: null, sources: [], ticket, problem: null, seconds: 12.4, verified: false, since_ms: Date.now() - 12_400, left_out: [], unheld: false, bytes_received: 0 };
    const source = (id, pieces, rate, lies = 0) => ({ id, pieces, bytes: pieces << 20, bytes_per_second: rate, asked: 4, lies });
    this.transfers.set(1, { ...base, transfer: 1, kind: "share", phase: "done", name: "holiday.tar", path: "/srv/share/holiday.tar", bytes: 734_003_200, bytes_done: 734_003_200, pieces: 700, pieces_done: 700, bytes_per_second: 0, eta_s: null, verified: true });
    this.transfers.set(2, { ...base, transfer: 2, kind: "get", phase: "fetching", name: "film.mkv", path: "/srv/film.mkv", bytes: 1_073_741_824, bytes_done: 440_401_920, pieces: 1024, pieces_done: 420, bytes_per_second: 8_400_000, eta_s: 75, bottleneck: "rate of the peers", sources: [source(bob, 290, 5_200_000), source(carol, 130, 3_200_000, 1)].filter((s) => s.id) });
    this.transfers.set(3, { ...base, transfer: 3, kind: "get", phase: "seeking", file_id: null, name: "", path: "/srv", bytes: 0, bytes_done: 0, pieces: 0, pieces_done: 0, bytes_per_second: 0, eta_s: null, bottleneck: "no holder in reach", ticket: null });
    this.transfers.set(4, { ...base, transfer: 4, kind: "get", phase: "failed", name: "backup.zip", path: "/srv/backup.zip", bytes: 52_428_800, bytes_done: 10_485_760, pieces: 50, pieces_done: 10, bytes_per_second: 0, eta_s: null, problem: "/srv/backup.zip is there already; get it with force, or name another place" });
    const letter = (from, text, minutes, read) => from && this.inbox.push({ id: idOf(text).slice(0, 32), from, text, created_ms: Date.now() - minutes * 60_000 - 800, received_ms: Date.now() - minutes * 60_000, seq: this.inbox.length + 1, read, request: false });
    letter(bob, "lunch at twelve?", 90, true);
    letter(carol, "The backup ran.\nAll 214 files are verified.\n\n— carol's cron", 42, true);
    letter(bob, "or one, if that suits you better", 11, false);
    letter(dave, "\u202eevil\u202c <b>bold?</b> <script>document.title='pwned'</script>", 3, false);
    const sent = (to, state, minutes, why = "") => to && this.outbox.unshift({ id: idOf(`${to}${state}${minutes}`).slice(0, 32), to, state, why, bytes: 17, tries: 1, hops: [carol, dave].filter(Boolean), paths: [], created_ms: Date.now() - minutes * 60_000, expires_ms: Date.now() + 6e8 });
    sent(bob, "read", 80);
    sent(carol, "delivered", 30);
    sent(dave, "stored", 2, "its reader is away; a mailbox keeps it");
  }

  status() {
    const alive = [...this.nodes.values()].filter((node) => node.state === "alive");
    const dead = this.nodes.size - alive.length;
    return { id: this.me, label: this.nodes.get(this.me).label, version: "0.1.0", uptime_s: Math.floor((Date.now() - this.started) / 1000) + 4000, listen: ["0.0.0.0:8080"], state_dir: "profiles/alice", nodes_alive: alive.length, links: this.linksOf(this.me).length, handshakes: 0, joined: true, health: dead ? "degraded" : "ok", problems: dead ? ["203.0.113.7:8080 cannot be dialled: connection refused"] : [], counters: {} };
  }

  linksOf(id) {
    return [...this.links.values()].filter((link) => link.from === id || link.to === id);
  }

  *everything() {
    for (const row of this.nodes.values()) yield ["node", row];
    for (const row of this.links.values()) yield ["link", row];
    for (const row of this.transfers.values()) yield ["transfer", row];
    for (const row of this.files.values()) yield ["piece", row];
    for (const row of this.log) yield ["log", row];
    yield ["status", this.status()];
    yield ["whole", {}];
  }

  say(level, target, text) {
    const row = { number: this.next++, at_ms: Date.now(), level, target, text };
    this.log = [...this.log, row].slice(-256);
    this.tell("log", row);
  }

  tick() {
    const links = [...this.links.values()];
    for (let n = 0; n < Math.min(links.length, Math.max(3, links.length / 10)); n += 1) {
      const link = this.pick(links);
      if (link.rtt_us) link.rtt_us = Math.max(40, Math.round(link.rtt_us * (0.9 + this.random() * 0.2)));
      this.tell("link", link);
    }
    for (const row of this.transfers.values()) {
      if (row.phase !== "fetching") continue;
      row.bytes_done = Math.min(row.bytes, row.bytes_done + row.bytes_per_second);
      row.pieces_done = Math.floor((row.bytes_done / row.bytes) * row.pieces);
      row.seconds += 1;
      row.eta_s = Math.ceil((row.bytes - row.bytes_done) / row.bytes_per_second);
      if (row.bytes_done >= row.bytes) Object.assign(row, { phase: "done", verified: true, eta_s: null, bytes_per_second: 0, bottleneck: null });
      this.tell("transfer", row);
    }
    if (this.random() < 0.5) this.say(...this.pick(LOG));
  }

  setState(id, state) {
    const node = this.nodes.get(id);
    Object.assign(node, { state, since_ms: Date.now() });
    this.tell("node", node);
  }

  cut(id) {
    for (const link of this.linksOf(id)) {
      this.links.delete(`${link.from}-${link.to}`);
      this.tell("gone", { link: { from: link.from, to: link.to } });
    }
  }

  act(action, { node, text }) {
    const id = [...this.nodes.values()].find((row) => row.id === node || row.label === node)?.id;
    if (action === "kill") {
      this.cut(id);
      this.setState(id, "failed");
      this.say("warn", "kith::registry", `${node} failed: its last confirmed link is gone`);
    } else if (action === "revive" || action === "join") {
      const fresh = id ?? this.addNode(this.nodes.size, false);
      this.setState(fresh, "alive");
      for (const other of this.nodes.values()) if (other.state === "alive") this.addLink(fresh, other.id);
      for (const link of this.linksOf(fresh)) this.tell("link", link);
      return { id: fresh };
    } else if (action === "gone") {
      this.cut(id);
      this.nodes.delete(id);
      this.tell("gone", { node: id });
    } else if (action === "letter") {
      const row = { id: idOf(`${text}${this.next++}`).slice(0, 32), from: id, text, created_ms: Date.now(), received_ms: Date.now(), seq: this.inbox.length + 1, read: false, request: false };
      this.inbox.push(row);
      this.tell("letter", { id: row.id, from: id, at_ms: row.received_ms });
    }
    return {};
  }
}
