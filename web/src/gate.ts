// What is shown when there is no session: how to get one.

import { byId, h } from "./dom";

/** Covers the page for good; only a new link opens it. */
export function shut(title: string, words: string): void {
  const gate = byId("gate");
  if (!gate.hidden) return;
  gate.hidden = false;
  for (const element of document.body.children) {
    if (element !== gate) element.setAttribute("inert", "");
  }
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  gate.replaceChildren(
    h("div", { class: "gate-box", role: "alert" },
      h("img", { src: "/kith.svg", alt: "", width: 44, height: 44 }),
      h("h1", {}, title),
      h("p", {}, words),
      h("pre", {}, h("code", {}, "node open")),
      h("p", { class: "muted" }, "with the same -c and -p the daemon was started with, and open the link that it prints. Each link works once, for ten minutes."),
    ),
  );
  document.title = "kith";
}

export const shutOver = (): void =>
  shut("This session is over", "The daemon was started again, or twelve hours have passed. To come back, run");

export const shutOut = (): void =>
  shut("Come in through a link", "This page belongs to a kith daemon and opens only for who may steer it. On the machine where it runs, run");

export const shutLeft = (): void => shut("Signed out", "This browser may not look at the daemon any more. To come back, run");
