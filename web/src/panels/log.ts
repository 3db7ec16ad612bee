// What the daemon logs, as it does.

import type { App } from "../app";
import { h, keyed, setText } from "../dom";
import type { LogLine } from "../shapes";
import type { Panel } from "../tabs";
import { time, visible } from "../words";

const LEVELS = ["error", "warn", "info", "debug", "trace"];

export function logPanel(app: App): Panel {
  const lines = h("ol", { class: "log", tabindex: 0, "aria-label": "Log" });
  const level = h("select", { name: "level", "aria-label": "Least level" }, ...LEVELS.map((one) => h("option", { value: one }, one)));
  level.value = "info";
  const words = h("input", { type: "search", name: "log-filter", placeholder: "Filter the log", "aria-label": "Filter the log" });
  const shownOf = h("span", { class: "muted" });
  const show = (log: readonly LogLine[]): void => {
    const most = LEVELS.indexOf(level.value);
    const wanted = words.value.toLowerCase();
    const fits = log.filter((line) =>
      LEVELS.indexOf(line.level) <= most &&
      (wanted === "" || line.text.toLowerCase().includes(wanted) || line.target.toLowerCase().includes(wanted)));
    const following = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 30;
    keyed(lines, fits, (line) => `${line.number} ${line.at_ms}`, make, () => undefined);
    setText(shownOf, `${fits.length} of ${log.length} lines`);
    if (following) lines.scrollTop = lines.scrollHeight;
  };
  const filter = (): void => {
    show(app.store.state.log);
    lines.scrollTop = lines.scrollHeight;
  };
  level.addEventListener("change", filter);
  words.addEventListener("input", filter);
  return {
    name: "log",
    title: "Log",
    element: h("div", { class: "log-panel" }, h("div", { class: "filters" }, level, words, shownOf), lines),
    update: (state, before) => {
      if (before && state.log === before.log) return;
      show(state.log);
      if (!before) lines.scrollTop = lines.scrollHeight;
    },
  };
}

function make(line: LogLine): HTMLLIElement {
  return h("li", { "data-level": line.level },
    h("time", {}, time(line.at_ms)), h("span", { class: "level" }, visible(line.level)),
    h("span", { class: "target" }, visible(line.target, 60)), h("span", { class: "peer" }, visible(line.text, 2000)));
}
