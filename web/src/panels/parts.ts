// Small pieces that several panels show.

import { h, setAttr, setText } from "../dom";
import { nameOf, short } from "../words";

/** A node's name with the beginning of its id. */
export function fillNode(cell: HTMLElement, id: string, label: string): void {
  if (!cell.firstElementChild) cell.append(h("span", { class: "peer" }), h("span", { class: "id" }));
  setText(cell.children[0] as Element, nameOf({ id, label }));
  setText(cell.children[1] as Element, short(id));
}

/** A word in a coloured pill. */
export function fillPill(cell: HTMLElement, word: string, kind = word): void {
  if (!cell.firstElementChild) cell.append(h("span", { class: "pill" }));
  const pill = cell.firstElementChild as Element;
  setText(pill, word);
  setAttr(pill, "data-kind", kind);
}

export const hint = (words: string): HTMLElement => h("p", { class: "muted hint" }, words);
