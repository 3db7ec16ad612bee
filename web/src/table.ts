// A table that can be sorted by its columns and is changed in place.

import { h, keyed, setAttr } from "./dom";
import { count } from "./words";

export interface Column<T> {
  name: string;
  title: string;
  /** What it is sorted by; without one it is not. */
  by?: (row: T) => number | string;
  fill: (cell: HTMLTableCellElement, row: T) => void;
  class?: string;
}

/** More rows than anybody reads; the search finds the others. */
const ROWS_MAX = 400;

export class Table<T> {
  readonly element: HTMLElement;
  #rows: readonly T[] = [];
  #body = h("tbody");
  #more = h("p", { class: "muted more", hidden: true });
  #heads = new Map<string, HTMLTableCellElement>();
  #by = "";
  #down = false;

  constructor(
    readonly name: string,
    readonly columns: readonly Column<T>[],
    readonly key: (row: T) => string,
    readonly click?: (row: T) => void,
    readonly mark?: (element: HTMLTableRowElement, row: T) => void,
  ) {
    const heads = columns.map((column) => {
      const head = h("th", { scope: "col", class: column.class },
        column.by ? h("button", { type: "button", onclick: () => this.#sort(column.name) }, column.title) : column.title);
      this.#heads.set(column.name, head);
      return head;
    });
    const table = h("table", { "aria-label": name }, h("thead", {}, h("tr", {}, ...heads)), this.#body);
    if (click) this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.element = h("div", { class: "table" }, table, this.#more);
    this.#by = columns.find((column) => column.by)?.name ?? "";
    this.#marks();
  }

  show(rows: readonly T[]): void {
    this.#rows = rows;
    const column = this.columns.find((one) => one.name === this.#by);
    const by = column?.by;
    const sorted = by ? [...rows].sort((a, b) => compare(by(a), by(b)) * (this.#down ? -1 : 1)) : rows;
    keyed(this.#body, sorted.slice(0, ROWS_MAX), this.key, (row) => this.#make(row), (element, row) => {
      this.columns.forEach((one, at) => one.fill(element.cells[at] as HTMLTableCellElement, row));
      this.mark?.(element, row);
    });
    const [first] = this.#body.rows;
    if (this.click && first && !this.#body.querySelector('[tabindex="0"]')) first.tabIndex = 0;
    this.#more.hidden = rows.length <= ROWS_MAX;
    this.#more.textContent = `and ${count(rows.length - ROWS_MAX, "more row")}; the search box finds them`;
  }

  #make(row: T): HTMLTableRowElement {
    const element = h("tr", {}, ...this.columns.map((column) => h("td", { class: column.class })));
    const click = this.click;
    if (click) {
      const key = this.key(row);
      element.classList.add("clickable");
      element.tabIndex = -1;
      element.addEventListener("click", () => {
        const now = this.#rows.find((one) => this.key(one) === key);
        if (now) click(now);
      });
    }
    return element;
  }

  /** Up and down go from row to row, Enter opens one; the tabulator key passes the rows by in one step. */
  #key(event: KeyboardEvent): void {
    const row = event.target;
    if (!(row instanceof HTMLTableRowElement)) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = step && this.#body.rows[row.sectionRowIndex + step];
    if (next) {
      row.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    } else if (event.key === "Enter") row.click();
    else if (!step) return;
    event.preventDefault();
  }

  #sort(name: string): void {
    this.#down = this.#by === name && !this.#down;
    this.#by = name;
    this.#marks();
    this.show(this.#rows);
  }

  #marks(): void {
    for (const [name, head] of this.#heads) {
      setAttr(head, "aria-sort", name === this.#by ? (this.#down ? "descending" : "ascending") : null);
    }
  }
}

const collator = new Intl.Collator(undefined, { numeric: true });

function compare(a: number | string, b: number | string): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
}
