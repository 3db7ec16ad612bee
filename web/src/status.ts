// The line at the top: who this is, how it is, and whether the page hears of it.

import { byId, h, setAttr, setText } from "./dom";
import type { State } from "./store";
import { copy } from "./toast";
import { count, short, span, visible } from "./words";

const WORDS = { connecting: "connecting", live: "live", lost: "not connected, trying again" };

export class StatusLine {
  #label = h("strong", { id: "self-label", class: "peer" });
  #id = h("button", { type: "button", class: "id", title: "Copy the whole id" });
  #health = h("span", { id: "health", class: "pill" });
  #nodes = h("span", { id: "nodes-alive" });
  #links = h("span", { id: "links-up" });
  #up = h("span", { id: "uptime", class: "wide-only" });
  #stream = h("span", { id: "stream", class: "stream" });

  constructor(controls: Node, state: () => State) {
    this.#id.addEventListener("click", () => void copy(state().me, "The id"));
    byId("status").append(
      h("h1", { class: "brand" }, h("img", { src: "/kith.svg", alt: "", width: 22, height: 22 }), "kith"),
      h("span", { class: "who" }, this.#label, this.#id),
      this.#health,
      h("span", { class: "facts" }, this.#nodes, this.#links, this.#up),
      this.#stream,
      controls,
    );
  }

  update({ status, me, stream, trouble, nodes }: State): void {
    setAttr(this.#stream, "data-stream", stream);
    setText(this.#stream, WORDS[stream]);
    setAttr(this.#stream, "title", trouble || null);
    const label = visible(status?.label ?? nodes.get(me)?.label ?? "");
    setText(this.#label, label || "unnamed");
    setText(this.#id, short(me));
    document.title = label ? `${label} · kith` : "kith";
    if (!status) return;
    const problems = status.problems ?? [];
    setAttr(this.#health, "data-health", status.health);
    setText(this.#health, status.health === "ok" ? "ok" : count(problems.length, "problem"));
    setText(this.#nodes, `${count(status.nodes_alive, "node")} alive`);
    setText(this.#links, count(status.links, "link"));
    setText(this.#up, `up ${span(status.uptime_s)}`);
    setAttr(this.#up, "title", `kith ${visible(status.version)}`);
    const strip = byId("problems");
    strip.hidden = problems.length === 0;
    const shown = problems.slice(0, 3).map((one) => visible(one, 200));
    if (problems.length > 3) shown.push(`and ${problems.length - 3} more: node status lists them`);
    setText(strip, shown.join(" · "));
  }
}
