// Nodes and links as text, beside the picture: the same for who does not see it.

import type { App } from "./app";
import { byId, h, setAttr, setText } from "./dom";
import { fillNode, fillPill } from "./panels/parts";
import type { LinkRow, NodeRow } from "./shapes";
import { linkKey, type State } from "./store";
import { Table } from "./table";
import { ago, nameOf, rtt } from "./words";

export class TextTable {
  #box = byId("text-table");
  #nodes: Table<NodeRow>;
  #links: Table<LinkRow>;

  constructor(readonly app: App) {
    const name = (id: string): string => nameOf(app.store.state.nodes.get(id), id);
    this.#nodes = new Table<NodeRow>("Nodes", [
      { name: "node", title: "Node", class: "grow", by: (row) => nameOf(row).toLowerCase(), fill: (cell, row) => fillNode(cell, row.id, row.label) },
      { name: "state", title: "State", by: (row) => row.state, fill: (cell, row) => fillPill(cell, row.id === app.store.state.me ? `${row.state}, this node` : row.state, row.state) },
      { name: "since", title: "Since", class: "number", by: (row) => -row.since_ms, fill: (cell, row) => setText(cell, ago(row.since_ms)) },
    ], (row) => row.id, (row) => app.choose(row.id), (element, row) => setAttr(element, "data-node-row", row.id));
    this.#links = new Table<LinkRow>("Links", [
      { name: "from", title: "Who dialled", class: "grow", by: (row) => name(row.from).toLowerCase(), fill: (cell, row) => fillNode(cell, row.from, app.store.state.nodes.get(row.from)?.label ?? "") },
      { name: "to", title: "Whom", class: "grow", by: (row) => name(row.to).toLowerCase(), fill: (cell, row) => fillNode(cell, row.to, app.store.state.nodes.get(row.to)?.label ?? "") },
      { name: "rtt", title: "RTT", class: "number", by: (row) => row.rtt_us || Infinity, fill: (cell, row) => setText(cell, rtt(row.rtt_us)) },
      { name: "state", title: "State", by: (row) => row.state, fill: (cell, row) => setText(cell, row.state) },
    ], (row) => linkKey(row.from, row.to), undefined, (element, row) => setAttr(element, "data-link-row", linkKey(row.from, row.to)));
    this.#box.append(h("h2", {}, "Nodes"), this.#nodes.element, h("h2", {}, "Links"), this.#links.element);
  }

  get shown(): boolean {
    return !this.#box.hidden;
  }

  toggle(): void {
    this.#box.hidden = !this.#box.hidden;
    this.#show(this.app.store.state);
    if (this.shown) this.#box.focus();
  }

  update(state: State, before: State): void {
    if (this.shown && (state.nodes !== before.nodes || state.links !== before.links)) this.#show(state);
  }

  #show(state: State): void {
    if (!this.shown) return;
    this.#nodes.show([...state.nodes.values()]);
    this.#links.show([...state.links.values()]);
  }
}
