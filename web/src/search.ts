// Finds nodes by label, id or address; highlights them and goes to the best.

import type { App } from "./app";
import { h, setText } from "./dom";
import type { NodeRow } from "./shapes";
import { announce } from "./toast";
import { count, nameOf } from "./words";

/** Nodes that fit, best first: labels that begin so, then the rest. */
export function search(nodes: Iterable<NodeRow>, words: string): NodeRow[] {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return [];
  const rank = (node: NodeRow): number => {
    const label = node.label.toLowerCase();
    if (label === wanted) return 0;
    if (label.startsWith(wanted)) return 1;
    if (node.id.startsWith(wanted)) return 2;
    if (label.includes(wanted) || nameOf(node).toLowerCase().includes(wanted)) return 3;
    return node.addrs.some((addr) => addr.includes(wanted)) || node.state === wanted ? 4 : 9;
  };
  return [...nodes]
    .map((node) => ({ node, rank: rank(node) }))
    .filter((one) => one.rank < 9)
    .sort((a, b) => a.rank - b.rank || (a.node.label < b.node.label ? -1 : 1))
    .map((one) => one.node);
}

export function searchBox(app: App): HTMLElement {
  const input = h("input", { type: "search", id: "search", name: "search", placeholder: "Find  ( / )", "aria-label": "Find a node", autocomplete: "off", spellcheck: "false" });
  const words = h("span", { class: "found-words", "aria-hidden": "true" });
  let fits: NodeRow[] = [];
  let at = 0;
  const find = (): void => {
    fits = search(app.store.state.nodes.values(), input.value);
    at = 0;
    const asked = input.value.trim() !== "";
    app.picture.find(asked ? new Set(fits.map((node) => node.id)) : null);
    setText(words, asked ? String(fits.length) : "");
    if (asked) announce(fits[0] ? `${count(fits.length, "node")}: ${nameOf(fits[0])}` : "No node fits");
    if (fits[0]) app.picture.view.centre(fits[0].id);
  };
  input.addEventListener("input", find);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && fits.length) {
      const node = fits[at % fits.length];
      at += 1;
      if (!node) return;
      app.picture.view.centre(node.id);
      app.choose(node.id);
    } else if (event.key === "Escape") {
      input.value = "";
      find();
      input.blur();
      event.stopPropagation();
    }
  });
  return h("span", { class: "search", role: "search" }, input, words);
}
