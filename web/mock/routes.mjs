// What the made-up daemon answers.

import { idOf } from "./world.mjs";

const failure = (code, what, why, remedy, more = {}) => ({ error: { code, what, why, try: remedy, ...more } });

export async function answer(world, method, path, asked, query) {
  const named = (who) => {
    const fits = [...world.nodes.values()].filter((node) => node.label === who || node.id.startsWith(who));
    return fits.length === 1 ? fits[0] : null;
  };
  const unknown = (who) => [404, failure("not_found", `cannot tell who "${who}" is`, "nobody is called so", "node peers lists everyone known")];
  const label = (id) => world.nodes.get(id)?.label ?? "";
  const [head, ...rest] = path.split("/");
  const arg = decodeURIComponent(rest.join("/"));
  if (method === "GET") {
    if (head === "status") return [200, world.status()];
    if (head === "graph") return [200, { self: world.me, nodes: [...world.nodes.values()], links: [...world.links.values()], changed_ms: 0 }];
    if (head === "peers") return [200, { peers: peers(world) }];
    if (head === "transfers") return [200, { transfers: [...world.transfers.values()] }];
    if (head === "pieces") return [200, { pieces: [...world.files.values()] }];
    if (head === "path") return way(world, named(arg));
    if (head === "why") {
      const node = named(arg);
      if (!node) return unknown(arg);
      const evidence = [
        { at_ms: node.since_ms, text: "its link to bob (9dae25dc) is up" },
        { at_ms: node.since_ms + 500, text: node.state === "alive" ? "both ends confirm 4 links" : "its last confirmed link is gone; 3 nodes say so" },
      ];
      return [200, { id: node.id, label: node.label, state: node.state, evidence }];
    }
    if (head === "letters" && !arg) return [200, letters(world, label)];
    if (head === "letters") {
      const letter = world.outbox.find((row) => row.id === arg);
      return letter ? [200, { ...letter, label: label(letter.to) }] : unknown(arg);
    }
    if (head === "inbox") return [200, inbox(world, query, label)];
    if (head === "relays") return [200, relays(world)];
  }
  if (method === "POST") {
    const who = asked.who === undefined ? null : named(asked.who);
    if (asked.who !== undefined && !who) return unknown(asked.who);
    if (head === "ping") return who.state === "alive" ? [200, { id: who.id, rtt_us: 182 }] : [409, failure("refused", `cannot ping ${who.id.slice(0, 8)}`, "it did not answer", "")];
    if (head === "disconnect") { world.cut(who.id); return [200, { id: who.id }]; }
    if (head === "pin" || head === "unpin") { world.pinned[head === "pin" ? "add" : "delete"](who.id); return [200, { id: who.id }]; }
    if (head === "ban") { world.banned.add(who.id); world.cut(who.id); world.setState(who.id, "failed"); return [200, { id: who.id }]; }
    if (head === "unban") { world.banned.delete(who.id); world.act("revive", { node: who.id }); return [200, { id: who.id }]; }
    if (head === "connect") return asked.addr.includes(":") ? [200, { id: world.act("join", {}).id, addr: asked.addr }] : [400, failure("usage", "cannot read the request", `"${asked.addr}" is not an address with a port`, "write IP:port, [IPv6]:port or host:port")];
    if (head === "shout") { world.say("info", "kith::shout", `alice says: ${JSON.stringify(asked.text)}`); return [200, { links: world.status().links }]; }
    if (head === "share" || head === "get") return begin(world, head, asked);
    if (head === "transfers") {
      const row = world.transfers.get(Number(rest[0]));
      Object.assign(row, { phase: "stopped", bytes_per_second: 0, eta_s: null });
      world.tell("transfer", row);
      return [200, { transfer: row.transfer }];
    }
    if (head === "forget") {
      const row = world.files.get(asked.file);
      world.files.delete(asked.file);
      world.tell("gone", { file_id: asked.file });
      return [200, { file_id: asked.file, name: row?.name ?? "" }];
    }
    if (head === "letters") return push(world, asked, named, label);
    if (path === "inbox/ack") {
      for (const { id, from } of asked.letters) for (const row of world.inbox) if (row.id === id && row.from === from) row.read = true;
      return [200, { acknowledged: asked.letters.length }];
    }
  }
  return [404, failure("not_found", "no such route", "nothing is here", "everything is under /api/v1")];
}

function peers(world) {
  return [...world.nodes.values()].filter((node) => node.id !== world.me).map((node) => {
    const link = world.links.get(`${world.me}-${node.id}`) ?? world.links.get(`${node.id}-${world.me}`);
    return { id: node.id, label: node.label, state: node.state, link: link ? "up" : "down", direction: link ? (link.from === world.me ? "out" : "in") : null, rtt_us: link?.rtt_us || null, addr: node.addrs[0], since_ms: node.since_ms, pinned: world.pinned.has(node.id), banned: world.banned.has(node.id), problem: world.banned.has(node.id) ? "banned by hand" : null };
  });
}

function way(world, to) {
  if (!to) return [404, failure("not_found", "no path", "nobody is called so", "")];
  const before = new Map([[world.me, null]]);
  const queue = [world.me];
  while (queue.length && !before.has(to.id)) {
    const id = queue.shift();
    for (const { from, to: end } of world.linksOf(id)) {
      const other = from === id ? end : from;
      if (!before.has(other)) before.set(other, id), queue.push(other);
    }
  }
  if (!before.has(to.id)) return [404, failure("not_found", `no path to ${to.id.slice(0, 8)}`, "no chain of links that both ends confirm leads there", "node why shows what was last seen of it")];
  const hops = [];
  for (let id = to.id; id !== world.me; id = before.get(id)) hops.unshift(id);
  return [200, { to: to.id, hops, rtt_us: 900 * hops.length }];
}

function letters(world, label) {
  const all = new Map();
  const of = (id) => {
    if (!all.has(id)) all.set(id, { with: id, label: label(id), received: 0, unread: 0, sent: 0, waiting: 0, last_ms: 0 });
    return all.get(id);
  };
  for (const row of world.inbox) {
    const one = of(row.from);
    one.received += 1;
    one.unread += row.read ? 0 : 1;
    one.last_ms = Math.max(one.last_ms, row.received_ms);
  }
  for (const row of world.outbox) {
    const one = of(row.to);
    one.sent += 1;
    one.waiting += ["queued", "sent", "stored"].includes(row.state) ? 1 : 0;
    one.last_ms = Math.max(one.last_ms, row.created_ms);
  }
  const conversations = [...all.values()].sort((a, b) => b.last_ms - a.last_ms);
  return { letters: world.outbox.map((row) => ({ ...row, label: label(row.to) })), conversations };
}

function inbox(world, query, label) {
  const peek = query.get("peek") === "true";
  const after = Number(query.get("after") ?? 0);
  const fits = world.inbox.filter((row) => row.seq > after && (peek || !row.read) && (!query.get("with") || row.from === query.get("with")));
  const shown = fits.slice(0, Number(query.get("limit") ?? 100)).map((row) => ({ ...row, label: label(row.from) }));
  return { letters: shown, unread: world.inbox.filter((row) => !row.read).length };
}

function relays(world) {
  const others = [...world.nodes.values()].filter((node) => node.id !== world.me && node.state === "alive");
  const nodes = others.map((node, n) => ({ id: node.id, label: node.label, volunteer: node.relay, mailbox: node.mailbox, state: node.relay ? "used" : "does not volunteer", guard: n < 2, delivered: 12 - (n % 12), silent: n % 5 === 4 ? 1 : 0 }));
  return { volunteer: true, mailbox: true, nodes, mailboxes: others.slice(0, 2).map(({ id, label }) => ({ id, label })), kept: { readers: 1, letters: 3 }, counters: {} };
}

function begin(world, kind, asked) {
  if (kind === "share" && !asked.path.startsWith("/")) return [400, failure("usage", "cannot read the request", `the path "${asked.path}" is not absolute`, "send the whole path, from the root")];
  if (kind === "get" && !asked.ticket.startsWith("kith1")) return [400, failure("usage", "cannot read the request", "that is no ticket", "copy it again, whole, from where node share printed it")];
  const transfer = Math.max(...world.transfers.keys()) + 1;
  const name = kind === "share" ? asked.path.split("/").at(-1) : "photos.tar";
  const row = { ...world.transfers.get(2), transfer, kind, phase: kind === "share" ? "done" : "fetching", name, file_id: idOf(name), path: asked.path ?? asked.out ?? "/srv", bytes: 30_000_000, bytes_done: kind === "share" ? 30_000_000 : 0, pieces: 29, pieces_done: 0, seconds: 0 };
  world.transfers.set(transfer, row);
  world.tell("transfer", row);
  if (kind === "share") {
    const file = { file_id: row.file_id, name, path: asked.path, bytes: row.bytes, pieces: 29, pieces_held: 29, served: true, bytes_given: 0, holders: [], ticket: row.ticket, problem: null };
    world.files.set(file.file_id, file);
    world.tell("piece", file);
  }
  return [202, { transfer }];
}

function push(world, asked, named, label) {
  const to = named(asked.to);
  if (asked.to === "twin") return [409, failure("ambiguous", "cannot tell who \"twin\" is", "2 nodes fit", "name it by its id", { candidates: [...world.nodes.values()].slice(1, 3).map(({ id, label }) => ({ id, label })) })];
  if (!to) return [404, failure("not_found", `cannot tell who "${asked.to}" is`, "nobody is called so", "node peers lists everyone known")];
  const row = { id: idOf(`${asked.text}${world.next++}`).slice(0, 32), to: to.id, state: "queued", why: "", bytes: asked.text.length, tries: 0, hops: [], paths: [], created_ms: Date.now(), expires_ms: Date.now() + 6e8 };
  world.outbox.unshift(row);
  ["sent", "delivered", "read"].forEach((state, n) => setTimeout(() => {
    row.state = state;
    world.tell("outbox", { id: row.id, to: row.to, state, why: "", at_ms: Date.now() });
  }, 700 * (n + 1)));
  return [200, { ...row, label: label(to.id), warnings: to.label === "dave" ? ["dave was never pinned: the first key seen behind this label is trusted"] : [] }];
}
