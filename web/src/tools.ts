// The buttons on the picture, the legend of its colours, and the controls at the top.

import { connect, shout } from "./actions";
import { byId, h } from "./dom";
import { icon } from "./icons";
import { STEPS } from "./network/colours";
import type { Picture } from "./network/picture";

export interface Controls {
  search: HTMLElement;
  theme: () => void;
  help: () => void;
  leave: () => void;
}

const tool = (id: string, words: string, sign: Parameters<typeof icon>[0], click: () => void): HTMLElement =>
  h("button", { type: "button", id, class: "icon", title: words, "aria-label": words, onclick: click }, icon(sign));

export function topControls({ search, theme, help, leave }: Controls): HTMLElement {
  return h("span", { class: "controls" },
    search,
    h("button", { type: "button", id: "connect", onclick: connect }, "Connect"),
    h("button", { type: "button", id: "shout", onclick: shout }, "Shout"),
    tool("theme", "Dark or light (t)", "theme", theme),
    tool("help", "Keys and help (?)", "help", help),
    tool("leave", "Sign out", "leave", leave),
  );
}

export function pictureTools(picture: Picture, table: () => void): void {
  byId("tools").append(
    tool("zoom-in", "Larger (+)", "plus", () => picture.view.zoomBy(1.3)),
    tool("zoom-out", "Smaller (−)", "minus", () => picture.view.zoomBy(1 / 1.3)),
    tool("fit", "Show all (f)", "fit", () => picture.view.fit()),
    tool("arrange", "Arrange anew (r)", "arrange", () => picture.arrange()),
    tool("as-text", "As text: nodes and links in a table (x)", "table", table),
  );
  byId("legend").append(
    h("span", { class: "legend-title" }, "RTT"),
    ...STEPS.map(({ step, words }) => h("span", { class: `key step-${step}` }, h("i"), words)),
    h("span", { class: "key direction" }, "→ dialled"),
  );
}
