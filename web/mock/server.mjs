// A daemon that is none: serves the page's contract with a made-up network, for development and tests.
//   node mock/server.mjs [--nodes 5] [--links 8000] [--port 8790] [--hostile] [--still] [--dist DIR]
// Its key is always MOCK. POST /mock/{kill,revive,join,forget-session,drop-streams,letter} changes the network.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";
import { World } from "./world.mjs";
import { answer } from "./routes.mjs";

const { values: flags } = parseArgs({
  options: {
    nodes: { type: "string", default: "5" },
    links: { type: "string" },
    port: { type: "string", default: "8790" },
    hostile: { type: "boolean", default: false },
    still: { type: "boolean", default: false },
    dist: { type: "string", default: new URL("../dist", import.meta.url).pathname },
  },
});

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const KINDS = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const world = new World({
  nodes: Number(flags.nodes),
  links: flags.links ? Number(flags.links) : undefined,
  hostile: flags.hostile,
});
const streams = new Set();
let pageKey = "feed".repeat(16);

world.tell = (name, row) => {
  const text = `event: ${name}\ndata: ${JSON.stringify({ schema: 1, ...row })}\n\n`;
  for (const stream of streams) stream.write(text);
};
if (!flags.still) setInterval(() => world.tick(), 1000).unref();
setInterval(() => world.tell("status", world.status()), 2000).unref();

async function file(path, response) {
  const name = path === "/" ? "/index.html" : normalize(path);
  try {
    const body = await readFile(join(flags.dist, name));
    response.writeHead(200, { "Content-Type": KINDS[extname(name)] ?? "application/octet-stream", "Content-Security-Policy": CSP });
    response.end(body);
  } catch {
    response.writeHead(404).end("no such file");
  }
}

function json(response, status, body, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify({ schema: 1, ...body }));
}

const failure = (code, what, why, remedy, more = {}) => ({ error: { code, what, why, try: remedy, ...more } });

async function bodyOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}

function stream(response) {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  let text = "";
  for (const [name, row] of world.everything()) text += `event: ${name}\ndata: ${JSON.stringify({ schema: 1, ...row })}\n\n`;
  response.write(`: hello\n\n${text}`);
  streams.add(response);
  response.on("close", () => streams.delete(response));
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://mock");
  try {
    if (url.pathname.startsWith("/mock/")) return json(response, 200, mock(url.pathname.slice(6), await bodyOf(request)));
    if (!url.pathname.startsWith("/api/v1/")) return await file(url.pathname, response);
    const path = url.pathname.slice(8);
    if (path === "session" && request.method === "POST") {
      const { key } = await bodyOf(request);
      if (key !== "MOCK") return json(response, 401, failure("denied", "no session", "that key is used up", "run node open again"));
      return json(response, 200, { page_key: pageKey, id: world.me, label: world.nodes.get(world.me).label }, { "Set-Cookie": "kith=1; HttpOnly; SameSite=Strict; Path=/" });
    }
    if (request.headers["x-kith-page"] !== pageKey) return json(response, 401, failure("denied", "not allowed", "no session", "run node open"));
    if (path === "session") {
      pageKey = "out" + pageKey;
      return json(response, 200, {});
    }
    if (path === "events") return stream(response);
    const asked = request.method === "POST" ? await bodyOf(request) : {};
    const [status, body] = await answer(world, request.method, path, asked, url.searchParams);
    json(response, status, body);
  } catch (error) {
    json(response, 500, failure("internal", "the mock is broken", String(error?.stack ?? error), "mend it"));
  }
});

function mock(action, body) {
  if (action === "forget-session") pageKey = "x" + pageKey;
  else if (action === "drop-streams") for (const stream of streams) stream.destroy();
  else return world.act(action, body);
  return {};
}

server.listen(Number(flags.port), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/#MOCK`);
});
