// The files known here, and the forms that share one and get one.

import { forget } from "../actions";
import { post } from "../api";
import type { App } from "../app";
import { field, onSubmit, type Field } from "../dialog";
import { h, keyed, setAttr, setText } from "../dom";
import type { FileRow } from "../shapes";
import type { Panel } from "../tabs";
import { copy, said } from "../toast";
import { count, size, visible } from "../words";
import { hint } from "./parts";

const SHOWN_MAX = 300;

export function filesPanel(app: App): Panel {
  const list = h("div", { class: "list" });
  const filter = h("input", { type: "search", name: "files-filter", placeholder: "Filter files", "aria-label": "Filter files" });
  const none = hint("No file is known here yet.");
  const more = h("p", { class: "muted more" });
  const show = (files: ReadonlyMap<string, FileRow>): void => {
    const wanted = filter.value.toLowerCase();
    const rows = [...files.values()]
      .filter((row) => row.name.toLowerCase().includes(wanted) || row.file_id.startsWith(wanted))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    none.hidden = files.size > 0;
    filter.hidden = files.size < 8;
    setText(more, rows.length > SHOWN_MAX ? `and ${rows.length - SHOWN_MAX} more; filter to see them` : "");
    keyed(list, rows.slice(0, SHOWN_MAX), (row) => row.file_id, make, change);
  };
  filter.addEventListener("input", () => show(app.store.state.files));
  const share = form(
    "share", "Share",
    [{ name: "path", label: "Share a path of the daemon's machine", hint: "/home/me/film.mkv", required: true, max: 4096 }],
    async (data) => {
      await post("share", { path: String(data.get("path")).trim() });
      said("Sharing has begun: the ticket is here once all is hashed");
      app.showTab("transfers");
    },
  );
  const get = form(
    "get", "Get",
    [
      { name: "ticket", label: "Get a ticket", hint: "kith1…", required: true, max: 8192 },
      { name: "out", label: "Into (empty: where the daemon puts what it gets)", hint: "/home/me", max: 4096 },
      { name: "force", label: "Overwrite what is there", kind: "check" },
    ],
    async (data) => {
      const out = String(data.get("out") ?? "").trim();
      await post("get", { ticket: String(data.get("ticket")).trim(), out: out || null, force: data.get("force") !== null });
      said("Getting has begun");
      app.showTab("transfers");
    },
  );
  return {
    name: "files",
    title: "Files",
    element: h("div", {}, h("div", { class: "forms" }, share, get), filter, none, list, more),
    update: (state, before) => {
      if (!before || state.files !== before.files) show(state.files);
    },
  };
}

function form(name: string, action: string, fields: readonly Field[], send: (data: FormData) => Promise<void>): HTMLFormElement {
  const problem = h("div", { role: "alert" });
  const button = h("button", { type: "submit", class: "primary" }, action);
  const element = h("form", { name, class: "inline" }, ...fields.map(field), button, problem);
  onSubmit(element, button, problem, async (data) => {
    await send(data);
    element.reset();
  });
  return element;
}

function make(row: FileRow): HTMLElement {
  return h("article", { class: "item file", "data-file": row.file_id },
    h("header", {},
      h("strong", { class: "peer name" }),
      h("button", { type: "button", class: "small ticket" }, "Copy ticket"),
      h("button", { type: "button", class: "small forget" }, "Forget"),
    ),
    h("p", { class: "numbers" }),
    h("p", { class: "problem" }),
  );
}

function change(element: HTMLElement, row: FileRow): void {
  const part = <T extends HTMLElement>(selector: string): T => element.querySelector(selector) as T;
  const name = visible(row.name, 80) || row.file_id.slice(0, 8);
  setText(part(".name"), name);
  setAttr(part(".name"), "title", visible(row.path, 400));
  const held = row.pieces_held === row.pieces ? "all here" : `${row.pieces_held} of ${count(row.pieces, "piece")} here`;
  const parts = [size(row.bytes), held, row.served ? "given to who asks" : "given to nobody"];
  if (row.bytes_given) parts.push(`${size(row.bytes_given)} given so far`);
  if (row.holders.length) parts.push(`${count(row.holders.length, "other node")} with all of it`);
  setText(part(".numbers"), parts.join(" · "));
  setText(part(".problem"), visible(row.problem ?? "", 400));
  part<HTMLButtonElement>(".ticket").onclick = () => void copy(row.ticket, "The ticket");
  part<HTMLButtonElement>(".forget").onclick = () => void forget(row.file_id, name);
}
