// The event stream, read with fetch (EventSource cannot send the session's header). Reconnects by itself.

import { send } from "./api";
import type { Event } from "./store";

const WAIT_FIRST_MS = 500;
const WAIT_MOST_MS = 10_000;
/** The daemon says something every 2 seconds; a stream that is silent this long is dead. */
const SILENCE_MS = 15_000;
/** Longest event that is read; what is longer is no event of ours. */
const LINE_MAX = 4 << 20;

/** Cuts what comes into events. */
export class Parser {
  #rest = "";
  #name = "";
  #data: string[] = [];

  constructor(readonly emit: (event: Event) => void) {}

  /** Takes the next characters in; throws when they are no event stream. */
  take(text: string): void {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LINE_MAX) throw new Error("a line without an end");
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === "") return this.#end();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
  }

  #end(): void {
    const [name, data] = [this.#name, this.#data.join("\n")];
    this.#name = "";
    this.#data = [];
    if (!name || !data) return;
    try {
      this.emit({ name, data: JSON.parse(data) });
    } catch {
      // Not JSON: nothing this page could show.
    }
  }
}

const sleep = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

/** Reads until the session is over, or a person leaves. */
export async function follow(push: (event: Event) => void, left: AbortSignal): Promise<void> {
  let wait = WAIT_FIRST_MS;
  for (;;) {
    const begun = Date.now();
    const why = await once(push, left);
    if (why === null || left.aborted) return;
    push({ name: "lost", data: { why } });
    if (Date.now() - begun > WAIT_MOST_MS) wait = WAIT_FIRST_MS;
    await sleep(wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, WAIT_MOST_MS);
  }
}

/** Reads one stream to its end: why it ended, nothing when the session is over. */
async function once(push: (event: Event) => void, left: AbortSignal): Promise<string | null> {
  const stop = new AbortController();
  let watchdog = 0;
  const heard = (): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => stop.abort(), SILENCE_MS) as unknown as number;
  };
  try {
    heard();
    const answer = await send("events", {
      signal: AbortSignal.any([stop.signal, left]),
      headers: { Accept: "text/event-stream" },
    });
    if (answer.status === 401) return null;
    if (!answer.ok || !answer.body) {
      const body = await answer.json().catch(() => null);
      return String(body?.error?.why ?? `the daemon answered ${answer.status}`);
    }
    push({ name: "connected", data: {} });
    const parser = new Parser(push);
    const decoder = new TextDecoder();
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "the daemon ended it";
      heard();
      parser.take(decoder.decode(value, { stream: true }));
    }
  } catch {
    return stop.signal.aborted ? "nothing was heard any more" : "the daemon cannot be reached";
  } finally {
    clearTimeout(watchdog);
    stop.abort();
  }
}
