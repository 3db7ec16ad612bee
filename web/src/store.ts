// What the page knows: a pure function of what the daemon told, in order. Knows neither the screen nor the net.

import type { FileRow, LinkRow, LogLine, NodeRow, OutboxEvent, Status, Transfer } from "./shapes";
import { nameOf } from "./words";

export const LOG_MAX = 1000;
const OUTBOX_MAX = 500;
const NEWS_MAX = 20;

/** Something a person may want to hear of. */
export interface News {
  number: number;
  grave: boolean;
  text: string;
}

export interface State {
  readonly me: string;
  readonly nodes: ReadonlyMap<string, NodeRow>;
  readonly links: ReadonlyMap<string, LinkRow>;
  readonly transfers: ReadonlyMap<number, Transfer>;
  readonly files: ReadonlyMap<string, FileRow>;
  /** The last states of letters of ours, by letter. */
  readonly outbox: ReadonlyMap<string, OutboxEvent>;
  readonly log: readonly LogLine[];
  readonly status: Status | null;
  readonly stream: "connecting" | "live" | "lost";
  /** Why the stream is lost, in words. */
  readonly trouble: string;
  /** Everything has been told once. */
  readonly whole: boolean;
  /** Grows with all that concerns letters. */
  readonly letterNews: number;
  readonly news: readonly News[];
  /** While a stream tells all rows again: those it told so far. */
  readonly told: ReadonlySet<string> | null;
}

export interface Event {
  name: string;
  data: unknown;
}

export const EMPTY: State = {
  me: "",
  nodes: new Map(),
  links: new Map(),
  transfers: new Map(),
  files: new Map(),
  outbox: new Map(),
  log: [],
  status: null,
  stream: "connecting",
  trouble: "",
  whole: false,
  letterNews: 0,
  news: [],
  told: null,
};

export const linkKey = (from: string, to: string): string => `${from}-${to}`;

type Tables = "nodes" | "links" | "transfers" | "files" | "outbox";
type Writable = { -readonly [K in keyof State]: State[K] };

/** The state after `events`. Tables that none of them touches stay the same object. */
export function reduce(before: State, events: readonly Event[]): State {
  const next: Writable = { ...before };
  const copied = new Set<Tables | "log" | "told">();
  const table = <K extends Tables>(name: K): Map<any, any> => {
    if (!copied.has(name)) {
      (next as any)[name] = new Map(next[name] as Map<any, any>);
      copied.add(name);
    }
    return next[name] as Map<any, any>;
  };
  const tell = (key: string): void => {
    if (!next.told) return;
    if (!copied.has("told")) {
      next.told = new Set(next.told);
      copied.add("told");
    }
    (next.told as Set<string>).add(key);
  };
  const say = (text: string, grave = false): void => {
    const number = (next.news.at(-1)?.number ?? 0) + 1;
    next.news = [...next.news, { number, grave, text }].slice(-NEWS_MAX);
  };
  for (const event of events) one(event);
  return next;

  function one({ name, data }: Event): void {
    const row = (typeof data === "object" && data !== null ? data : {}) as Record<string, any>;
    switch (name) {
      case "connected":
        next.stream = "live";
        next.trouble = "";
        next.told = new Set();
        copied.add("told");
        return;
      case "lost":
        if (next.stream === "live") say("The connection to the daemon is lost", true);
        next.stream = "lost";
        next.trouble = String(row.why ?? "");
        next.told = null;
        return;
      case "self":
        next.me = String(row.id ?? "");
        return;
      case "whole":
        whole();
        return;
      case "node":
        if (isId(row.id)) node(row as NodeRow);
        return;
      case "link": {
        if (!isId(row.from) || !isId(row.to)) return;
        const key = linkKey(row.from, row.to);
        table("links").set(key, row);
        tell(`link ${key}`);
        return;
      }
      case "transfer":
        if (Number.isSafeInteger(row.transfer)) transfer(row as Transfer);
        return;
      case "piece":
        if (!isId(row.file_id)) return;
        table("files").set(row.file_id, row);
        tell(`file ${row.file_id}`);
        return;
      case "gone":
        gone(row);
        return;
      case "letter":
        next.letterNews += 1;
        if (isId(row.from)) say(`A letter from ${nameOf(next.nodes.get(row.from), row.from)} came`);
        return;
      case "outbox": {
        next.letterNews += 1;
        if (typeof row.id !== "string") return;
        const outbox = table("outbox");
        outbox.delete(row.id);
        outbox.set(row.id, row);
        if (outbox.size > OUTBOX_MAX) outbox.delete(outbox.keys().next().value);
        return;
      }
      case "missed":
        next.letterNews += 1;
        return;
      case "log":
        line(row as LogLine);
        return;
      case "status":
        if (isId(row.id)) {
          next.status = row as Status;
          next.me = row.id;
        }
        return;
      default: // A newer daemon tells more than this page knows.
    }
  }

  function node(row: NodeRow): void {
    const old = next.nodes.get(row.id);
    table("nodes").set(row.id, { ...row, addrs: Array.isArray(row.addrs) ? row.addrs : [] });
    tell(`node ${row.id}`);
    if (!next.whole || old?.state === row.state || row.id === next.me) return;
    if (row.state === "alive") say(`${nameOf(row)} is ${old ? "back" : "here"}`);
    else if (row.state === "left") say(`${nameOf(row)} left`);
    else if (row.state === "failed") say(`${nameOf(row)} failed`, true);
    else if (row.state === "unreachable") say(`${nameOf(row)} is unreachable`, true);
  }

  function transfer(row: Transfer): void {
    const old = next.transfers.get(row.transfer);
    table("transfers").set(row.transfer, row);
    tell(`transfer ${row.transfer}`);
    if (!old || old.phase === row.phase) return;
    const what = row.kind === "get" ? "Got" : "Shared";
    if (row.phase === "done") say(`${what} ${nameOf({ id: row.file_id ?? "", label: row.name })}`);
    if (row.phase === "failed") say(`Transfer ${row.transfer} failed`, true);
  }

  function gone(row: Record<string, any>): void {
    if (row.node !== undefined) table("nodes").delete(row.node);
    if (row.link) table("links").delete(linkKey(row.link.from, row.link.to));
    if (row.transfer !== undefined) table("transfers").delete(row.transfer);
    if (row.file_id !== undefined) table("files").delete(row.file_id);
  }

  function line(row: LogLine): void {
    if (typeof row.text !== "string" || typeof row.number !== "number") return;
    const last = next.log.at(-1);
    // A stream begins with the last lines there were; those that are here already come again.
    if (last && row.number <= last.number && row.at_ms <= last.at_ms) return;
    if (!copied.has("log")) {
      next.log = next.log.slice();
      copied.add("log");
    }
    const log = next.log as LogLine[];
    log.push(row);
    if (log.length > LOG_MAX) log.splice(0, log.length - LOG_MAX);
  }

  /** What was not told again is not there any more. */
  function whole(): void {
    const told = next.told;
    next.whole = true;
    next.told = null;
    if (!told) return;
    const sweep = (name: Tables, word: string): void => {
      for (const key of next[name].keys()) if (!told.has(`${word} ${key}`)) table(name).delete(key);
    };
    sweep("nodes", "node");
    sweep("links", "link");
    sweep("transfers", "transfer");
    sweep("files", "file");
  }
}

const isId = (id: unknown): id is string => typeof id === "string" && /^[0-9a-f]{64}$/.test(id);

export type Listener = (now: State, before: State) => void;

/** Holds the state; tells who listens once for many events. */
export class Store {
  state: State = EMPTY;
  #waiting: Event[] = [];
  #timer = 0;
  #listeners: Listener[] = [];

  /** Takes an event in; it shows within `delay` milliseconds. */
  push(event: Event, delay = 60): void {
    this.#waiting.push(event);
    if (this.#waiting.length >= 5000) this.flush();
    else if (!this.#timer) this.#timer = setTimeout(() => this.flush(), delay) as unknown as number;
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const before = this.state;
    const events = this.#waiting;
    this.#waiting = [];
    this.state = reduce(before, events);
    for (const listener of this.#listeners) listener(this.state, before);
  }

  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }
}
