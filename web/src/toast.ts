// Short words that come and go: what was done, what could not be, what changed in the network.

import { byId, h } from "./dom";
import { icon } from "./icons";
import { failureOf } from "./failure";
import type { News, State } from "./store";

const SHOWN_MAX = 4;
const GOOD_MS = 4000;
const BAD_MS = 9000;
/** Changes within this time are told together. */
const GATHER_MS = 250;

function show(content: Node | string, kind: "good" | "bad" | "news" | "grave", ms: number): void {
  const box = byId("toasts");
  const toast = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : null }, h("div", {}, content),
    h("button", { class: "icon", "aria-label": "Dismiss", onclick: () => toast.remove() }, icon("close")));
  box.append(toast);
  while (box.children.length > SHOWN_MAX) box.firstElementChild?.remove();
  setTimeout(() => toast.remove(), ms);
}

export const said = (words: string): void => {
  show(words, "good", GOOD_MS);
  announce(words);
};

/** Something to think about. */
export const noted = (words: string): void => {
  show(words, "news", BAD_MS);
  announce(words);
};

export const failed = (error: unknown): void => show(failureOf(error), "bad", BAD_MS);

/** For screen readers only. */
export function announce(words: string): void {
  byId("live").textContent = words;
}

/** Does it, and says what came of it. */
export async function attempt<T>(work: Promise<T>, words?: (done: T) => string): Promise<T | null> {
  try {
    const done = await work;
    if (words) said(words(done));
    return done;
  } catch (error) {
    failed(error);
    return null;
  }
}

let untold: News[] = [];

/** Tells what changed; many changes at once are told in one. */
export function tellNews(state: State, before: State): void {
  if (state.news === before.news) return;
  const last = before.news.at(-1)?.number ?? 0;
  if (untold.length === 0) setTimeout(tell, GATHER_MS);
  untold.push(...state.news.filter((one) => one.number > last));
}

function tell(): void {
  const fresh = untold;
  untold = [];
  const grave = fresh.some((one) => one.grave);
  const first = [...fresh].sort((a, b) => Number(b.grave) - Number(a.grave)).slice(0, 3);
  const rest = fresh.length > 3 ? `, and ${fresh.length - 3} more changes` : "";
  const words = first.map((one) => one.text).join(". ") + rest;
  announce(words);
  show(words, grave ? "grave" : "news", grave ? BAD_MS : GOOD_MS);
}

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    said(`${what} copied`);
  } catch {
    // No clipboard without a secure context: an old way that needs none.
    const area = h("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    said(done ? `${what} copied` : `${what} could not be copied`);
  }
}
