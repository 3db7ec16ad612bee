// The panels beside the picture, one shown at a time.

import { byId, h, setText } from "./dom";
import type { State } from "./store";

export interface Panel {
  name: string;
  title: string;
  element: HTMLElement;
  /** Called when it is shown, and for each change while it is. */
  update: (state: State, before: State | null) => void;
  /** Called for each change, shown or not. */
  hear?: (state: State, before: State) => void;
  /** A number on its tab, or nothing; called for each change. */
  badge?: (state: State) => string;
}

export class Tabs {
  #current = "";
  #buttons = new Map<string, HTMLButtonElement>();

  constructor(
    readonly panels: readonly Panel[],
    readonly state: () => State,
  ) {
    const list = byId("tabs");
    for (const panel of panels) {
      const { name, title, element } = panel;
      const button = h("button", {
        id: `tab-${name}`, role: "tab", type: "button", "aria-controls": `panel-${name}`, onclick: () => this.show(name),
      }, title, h("span", { class: "badge" }));
      this.#buttons.set(name, button);
      list.append(button);
      element.id = `panel-${name}`;
      element.classList.add("panel");
      element.setAttribute("role", "tabpanel");
      element.setAttribute("aria-labelledby", `tab-${name}`);
      element.hidden = true;
      byId("panels").append(element);
    }
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  isShown(name: string): boolean {
    return this.#current === name;
  }

  show(name: string): void {
    const panel = this.panels.find((one) => one.name === name);
    if (!panel) return;
    this.#current = name;
    for (const one of this.panels) {
      one.element.hidden = one.name !== name;
      const button = this.#buttons.get(one.name);
      button?.setAttribute("aria-selected", String(one.name === name));
      button?.setAttribute("tabindex", one.name === name ? "0" : "-1");
    }
    panel.update(this.state(), null);
  }

  /** Shows the panel with this place among them, counted from 1. */
  showNumber(number: number): void {
    const panel = this.panels[number - 1];
    if (!panel) return;
    this.show(panel.name);
    this.#buttons.get(panel.name)?.focus();
  }

  update(state: State, before: State): void {
    for (const panel of this.panels) {
      panel.hear?.(state, before);
      const badge = this.#buttons.get(panel.name)?.querySelector(".badge");
      if (badge) setText(badge, panel.badge?.(state) ?? "");
      if (panel.name === this.#current) panel.update(state, before);
    }
  }

  #key(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = this.panels.findIndex((panel) => panel.name === this.#current);
    this.showNumber(((at + step + this.panels.length) % this.panels.length) + 1);
    event.preventDefault();
  }
}
