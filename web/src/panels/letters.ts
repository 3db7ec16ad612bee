// Letters: with whom, how many; one conversation at a time; writing one.

import type { App } from "../app";
import { field } from "../dialog";
import { h, keyed, setAttr, setText } from "../dom";
import { Polled } from "../poll";
import type { Conversation, Letter } from "../shapes";
import type { Panel } from "../tabs";
import { ago, nameOf } from "../words";
import { hint } from "./parts";
import { Thread } from "./thread";

export interface Letters {
  letters: Letter[];
  conversations: Conversation[];
}

export interface LettersPanel extends Panel {
  /** Opens the conversation with a node, to write to it. */
  writeTo: (id: string) => void;
}

export function lettersPanel(app: App, changed: () => void): LettersPanel {
  const list = h("div", { class: "list" });
  const none = hint("No letters yet. Sealed for their reader, they go through other nodes, another way each time.");
  const who = h("datalist", { id: "known-nodes" });
  const to = field({ name: "to", label: "Write to", hint: "label or id", required: true, max: 260 });
  to.querySelector("input")?.setAttribute("list", "known-nodes");
  const begin = h("form", { name: "write-to", class: "inline" }, to, who, h("button", { type: "submit" }, "Open"));
  begin.addEventListener("submit", (event) => {
    event.preventDefault();
    open(String(new FormData(begin).get("to")).trim());
    begin.reset();
  });
  const overview = h("div", {}, begin, none, list);
  const thread = new Thread(app, () => close(), () => letters.stale());
  const element = h("div", {}, overview, thread.element);
  const letters = new Polled<Letters>("letters?limit=200", () => !document.hidden, (value) => {
    show(value.conversations);
    thread.sent(value.letters);
    changed();
  });

  const open = (who: string): void => {
    overview.hidden = true;
    thread.open(who, letters.value?.letters ?? []);
  };
  const close = (): void => {
    overview.hidden = false;
    thread.close();
    letters.stale();
  };
  const show = (conversations: readonly Conversation[]): void => {
    none.hidden = conversations.length > 0;
    keyed(list, conversations, (one) => one.with, (one) => {
      return h("button", { type: "button", class: "item conversation", "data-with": one.with, onclick: () => open(one.with) },
        h("strong", { class: "peer" }), h("span", { class: "badge" }), h("span", { class: "muted" }));
    }, (item, one) => {
      const [name, badge, rest] = Array.from(item.children) as [Element, Element, Element];
      setText(name, nameOf({ id: one.with, label: one.label }));
      setText(badge, one.unread ? `${one.unread} new` : "");
      const waiting = one.waiting ? `, ${one.waiting} under way` : "";
      setText(rest, `${one.received} in, ${one.sent} out${waiting} · ${ago(one.last_ms)} ago`);
      setAttr(item, "data-unread", one.unread ? "true" : null);
    });
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    letters.stale();
    if (!element.hidden) thread.came();
  });
  return {
    name: "letters",
    title: "Letters",
    element,
    badge: () => {
      const unread = letters.value?.conversations.reduce((sum, one) => sum + one.unread, 0) ?? 0;
      return unread ? String(unread) : "";
    },
    hear: (state, before) => {
      if (state.whole !== before.whole || state.letterNews !== before.letterNews) letters.stale();
    },
    writeTo: (id) => open(id),
    update: (state, before) => {
      if (!before || state.nodes !== before.nodes) {
        const known = [...state.nodes.values()].filter((node) => node.id !== state.me).slice(0, 200);
        keyed(who, known, (node) => node.id, (node) => h("option", { value: node.id }), (option, node) =>
          setText(option, nameOf(node)));
      }
      if (state.outbox !== before?.outbox) thread.turned(state.outbox);
      if (!before || state.letterNews !== before.letterNews) thread.came();
    },
  };
}
