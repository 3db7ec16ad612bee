// One conversation: what came and what was sent, and the form that writes the next.

import { get, post } from "../api";
import type { App } from "../app";
import { h, keyed, setAttr, setText } from "../dom";
import { failureOf } from "../failure";
import type { Letter, OutboxEvent, Received } from "../shapes";
import { failed, noted } from "../toast";
import { nameOf, size, time, visible, visibleLines } from "../words";
import { Written } from "../written";

/** Letters of a conversation that are shown: the newest. */
const SHOWN_MAX = 200;
/** Answers that are asked for one after the other, so that the newest are among them. */
const ASKED_MAX = 20;

interface Line {
  key: string;
  mine: boolean;
  at: number;
  text: string;
  state: string;
  note: string;
}

export class Thread {
  readonly element = h("section", { class: "thread", hidden: true });
  #who = "";
  #title = h("h3", { class: "peer" });
  #lines = h("ol", { class: "letters", "aria-live": "polite" });
  #problem = h("div", { role: "alert" });
  #text = h("textarea", { name: "text", rows: 3, required: true, maxlength: 1_000_000, placeholder: "Write a letter", "aria-label": "Letter" });
  #send = h("button", { type: "submit", class: "primary" }, "Send");
  #received = new Map<string, Received>();
  #sent = new Map<string, Letter>();
  /** Texts that were written on this page; the daemon keeps them sealed. */
  #written = new Written();
  #asking = false;
  #again = false;

  constructor(
    readonly app: App,
    readonly back: () => void,
    readonly changed: () => void,
  ) {
    const form = h("form", { name: "letter", class: "compose" }, this.#text, this.#send, this.#problem);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#push();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.element.append(
      h("header", {}, h("button", { type: "button", class: "small back", onclick: this.back }, "← All"), this.#title),
      this.#lines,
      form,
    );
  }

  open(who: string, sent: readonly Letter[]): void {
    this.#who = who;
    this.#received.clear();
    this.#sent.clear();
    this.element.hidden = false;
    this.#problem.replaceChildren();
    setText(this.#title, this.#name());
    this.sent(sent);
    this.came();
    this.#text.focus();
  }

  close(): void {
    this.#who = "";
    this.element.hidden = true;
  }

  /** The letters sent from here, as they are now. */
  sent(letters: readonly Letter[]): void {
    for (const letter of letters) if (letter.to === this.#who) this.#sent.set(letter.id, letter);
    this.#show();
  }

  turned(outbox: ReadonlyMap<string, OutboxEvent>): void {
    for (const [id, { state, why }] of outbox) {
      const letter = this.#sent.get(id);
      if (letter) this.#sent.set(id, { ...letter, state, why });
    }
    this.#show();
  }

  /** Something may have come: what is new is lent, shown, and only then acknowledged. */
  came(): void {
    // What nobody can see is not lent, and not said to have been seen.
    if (!/^[0-9a-f]{64}$/.test(this.#who) || document.hidden) return;
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    void this.#read().finally(() => {
      this.#asking = false;
      if (this.#again) this.came();
      this.#again = false;
    });
  }

  async #read(): Promise<void> {
    const who = this.#who;
    try {
      if (this.#received.size === 0) await this.#collect(who, true);
      const fresh = await this.#collect(who, false);
      if (fresh.length === 0 || who !== this.#who) return;
      await post("inbox/ack", { letters: fresh.map(({ id, from }) => ({ id, from })) });
      this.changed();
    } catch (error) {
      failed(error);
    }
  }

  /** Asks for what came, and shows it. */
  async #collect(who: string, peek: boolean): Promise<Received[]> {
    const all: Received[] = [];
    let after = 0;
    for (let asked = 0; asked < ASKED_MAX; asked += 1) {
      const path = `inbox?peek=${peek}&after=${after}&limit=${SHOWN_MAX}&with=${who}`;
      const { letters } = await get<{ letters: Received[] }>(path);
      if (who !== this.#who) return [];
      // What nobody was shown yet is shown when it is lent, so that two readers do not both show it.
      for (const letter of letters) if (!peek || letter.read) this.#received.set(`${letter.from} ${letter.id}`, letter);
      all.push(...letters);
      after = letters.at(-1)?.seq ?? after;
      if (letters.length === 0 || (!peek && all.length >= SHOWN_MAX)) break;
    }
    const surplus = [...this.#received.keys()].slice(0, -SHOWN_MAX);
    for (const key of surplus) this.#received.delete(key);
    this.#show();
    return all;
  }

  async #push(): Promise<void> {
    const text = this.#text.value;
    this.#send.disabled = true;
    this.#problem.replaceChildren();
    try {
      const letter = await post<Letter>("letters", { to: this.#who, text });
      this.#written.keep(letter.id, text);
      if (this.#who !== letter.to) this.open(letter.to, []);
      this.#sent.set(letter.id, letter);
      this.#text.value = "";
      for (const warning of letter.warnings ?? []) noted(visible(warning, 300));
      setText(this.#title, this.#name());
      this.#show();
      this.changed();
    } catch (error) {
      const pick = (id: string): void => {
        this.#who = id;
        setText(this.#title, this.#name());
        void this.#push();
      };
      this.#problem.replaceChildren(failureOf(error, pick));
    } finally {
      this.#send.disabled = false;
    }
  }

  #name(): string {
    const node = this.app.store.state.nodes.get(this.#who);
    return node || /^[0-9a-f]{64}$/.test(this.#who) ? nameOf(node, this.#who) : visible(this.#who);
  }

  /** Why it is as it is, or through whom it went. */
  #note({ why, hops }: Letter): string {
    const { nodes } = this.app.store.state;
    return why || (hops?.length ? `through ${hops.map((hop) => nameOf(nodes.get(hop), hop)).join(" and ")}` : "");
  }

  #show(): void {
    const lines: Line[] = [];
    for (const [key, letter] of this.#received) {
      const text = letter.text ?? `(${size(((letter.body_base64?.length ?? 0) * 3) / 4)} that are no text)`;
      const note = letter.request ? "from somebody this node does not know" : "";
      lines.push({ key, mine: false, at: letter.received_ms, text, state: "", note });
    }
    for (const [key, letter] of this.#sent) {
      const text = this.#written.get(key) ?? `A letter of ${letter.bytes} bytes, sealed: only its reader can read it.`;
      lines.push({ key, mine: true, at: letter.created_ms, text, state: letter.state, note: this.#note(letter) });
    }
    lines.sort((a, b) => a.at - b.at);
    const before = this.#lines.childElementCount;
    keyed(this.#lines, lines.slice(-SHOWN_MAX), (line) => line.key, makeLine, changeLine);
    if (this.#lines.childElementCount > before) this.#lines.scrollTop = this.#lines.scrollHeight;
  }
}

function makeLine(line: Line): HTMLLIElement {
  return h("li", { class: line.mine ? "mine" : "theirs", "data-letter": line.key.split(" ").at(-1) },
    h("p", { class: "text peer" }), h("p", { class: "numbers" }, h("span"), h("span", { class: "pill" }), h("span")));
}

function changeLine(item: HTMLLIElement, line: Line): void {
  setText(item.querySelector(".text") as Element, visibleLines(line.text));
  const [at, pill, note] = Array.from(item.querySelectorAll(".numbers > span")) as [Element, Element, Element];
  setText(at, time(line.at));
  setText(pill, line.state);
  setAttr(pill, "data-kind", line.state || null);
  setText(note, visible(line.note, 300));
  setAttr(item, "data-state", line.state || null);
}
