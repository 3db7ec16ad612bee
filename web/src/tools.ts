// The buttons on the picture, the legend of its colours, and the controls at the top.

import { connect, shout } from "./actions";
import { byId, h } from "./dom";
import { STEPS } from "./network/colours";
import type { Picture } from "./network/picture";

export interface Controls {
  search: HTMLElement;
  theme: () => void;
  help: () => void;
  leave: () => void;
}

export function topControls({ search, theme, help, leave }: Controls): HTMLElement {
  const icon = (id: string, words: string, sign: string, click: () => void): HTMLElement =>
    h("button", { type: "button", id, class: "icon", title: words, "aria-label": words, onclick: click }, sign);
  return h("span", { class: "controls" },
    search,
    h("button", { type: "button", id: "connect", onclick: connect }, "Connect"),
    h("button", { type: "button", id: "shout", onclick: shout }, "Shout"),
    icon("theme", "Dark or light (t)", "◐", theme),
    icon("help", "Keys and help (?)", "?", help),
    icon("leave", "Sign out", "⎋", leave),
  );
}

export function pictureTools(picture: Picture, table: () => void): void {
  const tool = (id: string, words: string, sign: string, click: () => void): HTMLElement =>
    h("button", { type: "button", id, class: "icon", title: words, "aria-label": words, onclick: click }, sign);
  byId("tools").append(
    tool("zoom-in", "Larger (+)", "+", () => picture.zoomBy(1.3)),
    tool("zoom-out", "Smaller (−)", "−", () => picture.zoomBy(1 / 1.3)),
    tool("fit", "Show all (f)", "⤢", () => picture.fit()),
    tool("as-text", "As text: nodes and links in a table (x)", "☰", table),
  );
  byId("legend").append(
    h("span", { class: "legend-title" }, "Round trip"),
    ...STEPS.map(({ step, words }) => h("span", { class: `key step-${step}` }, h("i"), words)),
    h("span", { class: "key direction" }, "dialler → dialled"),
  );
}
