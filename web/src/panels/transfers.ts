// What is being shared and got: how far, how fast, what limits it, from whom.

import { stopTransfer } from "../actions";
import type { App } from "../app";
import { h, keyed, setAttr, setText } from "../dom";
import type { Transfer } from "../shapes";
import type { Panel } from "../tabs";
import { copy } from "../toast";
import { clock, count, nameOf, size, visible } from "../words";
import { hint } from "./parts";

const OVER = new Set(["done", "stopped", "failed"]);

const titleOf = (row: Transfer): string =>
  visible(row.name, 80) || (row.file_id ? row.file_id.slice(0, 8) : visible(row.path, 80));

export function transfersPanel(app: App): Panel {
  const list = h("div", { class: "list" });
  const none = hint("Nothing is being shared or got. The tab Files shares a path of the daemon's machine, or gets a ticket.");
  return {
    name: "transfers",
    title: "Transfers",
    element: h("div", {}, none, list),
    badge: ({ transfers }) => {
      const running = [...transfers.values()].filter((row) => !OVER.has(row.phase)).length;
      return running ? String(running) : "";
    },
    update: (state, before) => {
      if (before && state.transfers === before.transfers) return;
      const rows = [...state.transfers.values()].reverse();
      none.hidden = rows.length > 0;
      keyed(list, rows, (row) => String(row.transfer), (row) => make(row), (element, row) => change(app, element, row));
    },
  };
}

function make(row: Transfer): HTMLElement {
  const number = row.transfer;
  return h("article", { class: "item transfer", "data-transfer": number },
    h("header", {},
      h("strong", { class: "peer name" }),
      h("span", { class: "pill phase" }),
      h("button", { type: "button", class: "small ticket" }, "Copy ticket"),
      h("button", { type: "button", class: "small stop" }, "Stop"),
    ),
    h("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, h("div")),
    h("p", { class: "numbers" }),
    h("p", { class: "problem" }),
    h("ul", { class: "sources" }),
  );
}

function change(app: App, element: HTMLElement, row: Transfer): void {
  const part = <T extends HTMLElement>(selector: string): T => element.querySelector(selector) as T;
  const title = titleOf(row);
  const over = OVER.has(row.phase);
  setText(part(".name"), title);
  setAttr(part(".name"), "title", visible(row.path, 400));
  setText(part(".phase"), row.phase === "done" && row.kind === "get" ? "verified" : row.phase);
  setAttr(part(".phase"), "data-kind", row.phase);
  setAttr(element, "data-phase", row.phase);
  const stop = part<HTMLButtonElement>(".stop");
  stop.hidden = over;
  stop.onclick = () => void stopTransfer(row.transfer, title);
  const ticket = part<HTMLButtonElement>(".ticket");
  ticket.hidden = !row.ticket;
  ticket.onclick = () => void copy(row.ticket ?? "", "The ticket");
  const done = row.bytes > 0 ? Math.min(1, row.bytes_done / row.bytes) : row.phase === "done" ? 1 : 0;
  const bar = part(".bar");
  (bar.firstElementChild as HTMLElement).style.width = `${(done * 100).toFixed(1)}%`;
  setAttr(bar, "aria-valuenow", String(Math.round(done * 100)));
  setAttr(bar, "aria-label", `${title}: ${Math.round(done * 100)} percent`);
  setText(part(".numbers"), numbers(row, done, over));
  const problem = visible(row.problem ?? "", 400) || (row.left_out ?? []).map((one) => visible(one, 120)).join("; ");
  setText(part(".problem"), problem);
  const sources = over ? [] : row.sources;
  keyed(part(".sources"), sources, (source) => source.id, () => h("li"), (item, source) => {
    const lies = source.lies ? `, ${count(source.lies, "wrong piece")}` : "";
    const name = nameOf(app.store.state.nodes.get(source.id), source.id);
    // A source that is waited for only because of a limit has no rate that was measured.
    const rate = source.bytes_per_second ? `, ${size(source.bytes_per_second)}/s` : "";
    setText(item, `from ${name}: ${count(source.pieces, "piece")}${rate}${lies}`);
  });
}

function numbers(row: Transfer, done: number, over: boolean): string {
  const parts = [row.kind === "get" ? "get" : "share"];
  if (row.bytes) parts.push(`${Math.floor(done * 100)} %`, `${size(row.bytes_done)} of ${size(row.bytes)}`);
  if (!over && row.bytes_per_second) parts.push(`${size(row.bytes_per_second)}/s`);
  if (!over && row.eta_s !== null) parts.push(`${clock(row.eta_s)} left`);
  if (over && row.seconds) parts.push(`in ${row.seconds < 10 ? row.seconds.toFixed(1) : Math.round(row.seconds)} s`);
  if (!over && row.bottleneck) parts.push(`limited by: ${visible(row.bottleneck)}`);
  return parts.join(" · ");
}
