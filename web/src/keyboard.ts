// The keys, and the sheet that lists them.

import { sheet } from "./dialog";
import { h } from "./dom";

export const KEYS: readonly [string, string][] = [
  ["/", "find a node by label, id or address; Enter opens it"],
  ["← ↑ → ↓", "go from node to node, in the picture"],
  ["Tab", "to the next node or control"],
  ["Home", "to this node, in the picture"],
  ["Enter", "open the node"],
  ["Esc", "close what is open"],
  ["f", "show the whole network"],
  ["+ −", "larger, smaller"],
  ["r", "arrange the network anew"],
  ["x", "nodes and links as text"],
  ["1 … 6", "peers, transfers, files, letters, relays, log"],
  ["t", "dark or light"],
  ["?", "this help"],
];

export function help(): void {
  const rows = KEYS.flatMap(([key, words]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)]);
  sheet("Keys", h("dl", { class: "keys" }, ...rows),
    h("p", { class: "muted" }, "Drag a node to put it where you like it; drag the ground to move the picture, turn the wheel to zoom. An arrow points from the node that dialled to the one that was dialled."));
}

export type Bindings = Record<string, () => void>;

/** Hears keys that no input field and no dialog wants. */
export function listen(bindings: Bindings): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = event.target as HTMLElement;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
    if (typing && event.key !== "Escape") return;
    const call = bindings[event.key];
    if (!call) return;
    event.preventDefault();
    call();
  });
}
