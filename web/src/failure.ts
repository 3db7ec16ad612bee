// What the daemon refused, as a person reads it: what, why, what to do, and who could have been meant.

import { Refused } from "./api";
import { h } from "./dom";
import { nameOf, short, visible } from "./words";

/** `pick` gets the id of the candidate that a person chose. */
export function failureOf(error: unknown, pick?: (id: string) => void): HTMLElement {
  const box = h("div", { class: "failure" });
  if (!(error instanceof Refused)) {
    box.append(h("strong", {}, "Something went wrong in this page"), h("p", {}, visible(error, 300)));
    return box;
  }
  const { what, why, try: remedy, candidates } = error.problem;
  box.append(h("strong", {}, visible(what, 300)), h("p", {}, visible(why, 600)));
  if (remedy) box.append(h("p", { class: "muted" }, `Try: ${visible(remedy, 400)}`));
  if (candidates?.length) {
    const choices = candidates.map((one) => {
      const words = `${nameOf(one)} (${short(one.id)})`;
      return pick ? h("button", { type: "button", class: "small", onclick: () => pick(one.id) }, words) : h("li", {}, words);
    });
    box.append(h(pick ? "div" : "ul", { class: "candidates" }, ...choices));
  }
  return box;
}
