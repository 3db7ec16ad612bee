// Who could pass letters on, and who keeps ours.

import type { App } from "../app";
import { h, setText } from "../dom";
import { Polled } from "../poll";
import type { RelayRow, Relays } from "../shapes";
import type { Panel } from "../tabs";
import { Table } from "../table";
import { count, nameOf, visible } from "../words";
import { fillNode, hint } from "./parts";

export function relaysPanel(app: App, shown: () => boolean): Panel {
  const words = h("p", { class: "summary" });
  const table = new Table<RelayRow>(
    "Relays",
    [
      { name: "node", title: "Node", class: "grow", by: (row) => nameOf(row).toLowerCase(), fill: (cell, row) => fillNode(cell, row.id, row.label) },
      { name: "offers", title: "Offers", by: (row) => offers(row), fill: (cell, row) => setText(cell, offers(row)) },
      { name: "state", title: "State", by: (row) => row.state, fill: (cell, row) => setText(cell, visible(row.state, 60) + (row.guard ? ", kept as first" : "")) },
      { name: "delivered", title: "Signed", class: "number", by: (row) => -row.delivered, fill: (cell, row) => setText(cell, String(row.delivered)) },
      { name: "silent", title: "Silent", class: "number", by: (row) => -row.silent, fill: (cell, row) => setText(cell, String(row.silent)) },
    ],
    (row) => row.id,
    (row) => app.choose(row.id),
  );
  const relays = new Polled<Relays>("relays", shown, (value) => {
    const here = [
      value.volunteer ? "This node passes letters on for others" : "This node passes no letters on",
      value.mailbox ? `and keeps ${count(value.kept.letters, "letter")} for ${count(value.kept.readers, "absent reader")}` : "and keeps none for others",
    ];
    const ours = value.mailboxes.map((box) => nameOf(box)).join(", ");
    setText(words, `${here.join(" ")}. ${ours ? `While it is away, ${ours} keep its letters.` : "Nobody has agreed to keep its letters."}`);
    table.show(value.nodes);
  });
  const about = hint("Signed: letters that went through it and whose reader signed. Silent: paths through it of which no word came back.");
  return {
    name: "relays",
    title: "Relays",
    element: h("div", {}, words, table.element, about),
    update: (state, before) => {
      if (!before || state.nodes !== before.nodes || state.letterNews !== before.letterNews) relays.stale();
    },
  };
}

const offers = (row: RelayRow): string =>
  [row.volunteer && "relay", row.mailbox && "mailbox"].filter(Boolean).join(" + ") || "nothing";
