// Real daemons: the five of config/ and profiles/ in a directory of their own, on ports that are free.

import { execFile, spawn, spawnSync } from "node:child_process";
import { closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./wait.mjs";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const NODE = process.env.KITH_NODE ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "release/node");

/** The program that is tried. */
export function nodePath() {
  if (!existsSync(NODE)) throw new Error(`there is no ${NODE}: build it (scripts/build.sh), or name one in KITH_NODE`);
  return NODE;
}

export const FIVE = ["alice", "bob", "carol", "dave", "erin"];
const READY_MS = 20_000;
const ANSWER_MS = 30_000;

// Linux ends a child with its parent, even when that is killed with -9; elsewhere the exit handler must do.
const TETHER = spawnSync("setpriv", ["--pdeathsig", "KILL", "true"]).status === 0 ? ["setpriv", "--pdeathsig", "KILL"] : [];

async function freePort(host) {
  const server = createServer();
  await new Promise((done, failed) => server.once("error", failed).listen(0, host, done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class Daemon {
  #process = null;
  #settings;

  constructor(home, name, control, settings) {
    this.home = home;
    this.name = name;
    this.control = control;
    this.#settings = Object.entries({ "control.listen": `"${control}"`, ...settings }).flatMap(([key, value]) => ["-s", `${key}=${value}`]);
  }

  get log() {
    return join(this.home, "profiles", this.name, "node.log");
  }

  get origin() {
    return `http://${this.control}`;
  }

  async start() {
    mkdirSync(join(this.home, "profiles", this.name), { recursive: true, mode: 0o700 });
    const log = openSync(this.log, "a");
    const [command, ...flags] = [...TETHER, NODE, "-c", "config", "-p", this.name, ...this.#settings];
    this.#process = spawn(command, flags, { cwd: this.home, stdio: ["ignore", log, log] });
    closeSync(log);
    this.over = new Promise((done) => this.#process.once("exit", done).once("error", done));
    await until(`${this.name} is ready, ${this.log}`, async () => {
      if (this.#process.exitCode !== null) throw new Error(`it ended: ${readFileSync(this.log, "utf8").trim().split("\n").at(-1)}`);
      return (await fetch(`${this.origin}/readyz`)).ok;
    }, READY_MS);
    this.id = (await this.json("status")).id;
  }

  /** Ends it as a power cut would; gives the time of that. */
  async kill() {
    const at = Date.now();
    this.#process?.kill("SIGKILL");
    await this.over;
    return at;
  }

  /** Runs a verb of the command line. */
  ask(...verb) {
    const flags = [verb[0], "-c", "config", "-p", this.name, ...verb.slice(1)];
    return new Promise((done, failed) => {
      execFile(NODE, flags, { cwd: this.home, timeout: ANSWER_MS, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
        if (error) failed(new Error(`${this.name}: node ${verb.join(" ")}: ${stderr || error.message}`));
        else done(stdout);
      });
    });
  }

  async json(...verb) {
    return JSON.parse(await this.ask(...verb, "--json"));
  }

  /** A link that lets one browser in. */
  async link() {
    return (await this.json("open")).url;
  }
}

export class Five {
  static async start({ labels = {}, settings = {}, of = {} } = {}) {
    const five = new Five();
    const { home } = five;
    process.once("exit", () => five.#remove());
    cpSync(join(ROOT, "config/network"), join(home, "config/network"), { recursive: true });
    mkdirSync(join(home, "profiles"));
    const moved = new Map();
    for (const name of FIVE) {
      const file = join(home, "config/network", `${name}.toml`);
      const text = readFileSync(file, "utf8");
      const port = await freePort("::1");
      moved.set(text.match(/^port = (\d+)$/m)[1], port);
      writeFileSync(file, text.replace(/^port = \d+$/m, `port = ${port}`).replace(/^label = .*$/m, `label = ${JSON.stringify(labels[name] ?? name)}`));
    }
    for (const file of readdirSync(join(ROOT, "profiles")).filter((name) => name.endsWith(".json"))) {
      const text = readFileSync(join(ROOT, "profiles", file), "utf8");
      writeFileSync(join(home, "profiles", file), text.replace(/:(\d+)"/g, (_, port) => `:${moved.get(port)}"`));
    }
    for (const name of FIVE) {
      five[name] = new Daemon(home, name, `127.0.0.1:${await freePort("127.0.0.1")}`, { ...settings, ...of[name] });
    }
    await Promise.all(five.all.map((node) => node.start()));
    await until("all are linked with all", async () => {
      const graphs = await Promise.all(five.all.map((node) => node.json("graph")));
      return graphs.every(isWhole);
    }, READY_MS);
    return five;
  }

  constructor() {
    this.home = mkdtempSync(join(tmpdir(), "kith-page-"));
  }

  get all() {
    return FIVE.map((name) => this[name]).filter(Boolean);
  }

  async stop() {
    await Promise.all(this.all.map((node) => node.kill()));
    this.#remove();
  }

  #remove() {
    for (const node of this.all) void node.kill();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

export const isWhole = ({ nodes, links }) =>
  nodes.length === 5 && nodes.every((node) => node.state === "alive") &&
  links.length === 10 && links.every((link) => link.state === "confirmed" && link.rtt_us > 0);

export const sizeOf = (path) => statSync(path).size;
