// The card of one node: what is known of it, the way to it, the evidence, and what can be done.

import { ban, disconnect, pin, ping, unban, unpin } from "./actions";
import { get, Refused } from "./api";
import type { App } from "./app";
import { byId, h, setAttr, setText } from "./dom";
import { icon } from "./icons";
import type { Polled } from "./poll";
import type { LinkRow, Peer } from "./shapes";
import { linkKey, type State } from "./store";
import { copy } from "./toast";
import { ago, nameOf, rtt, time, visible } from "./words";

interface Way {
  to: string;
  hops: string[];
  rtt_us: number | null;
}

interface Why {
  evidence: { at_ms: number; text: string }[];
}

/** The last so many things that were seen of a node. */
const EVIDENCE_MAX = 30;
/** The way and the evidence are asked for again after news of the node, not more often than this. */
const AGAIN_MS = 2000;

export class Card {
  #id = "";
  #element = byId("card");
  #name = h("h2", { class: "peer" });
  #state = h("span", { class: "pill" });
  #facts = h("dl");
  #way = h("p", { class: "way" });
  #evidence = h("ul", { class: "evidence" });
  #buttons = h("div", { class: "buttons" });
  #timer = 0;

  constructor(
    readonly app: App,
    readonly peers: Polled<{ peers: Peer[] }>,
  ) {
    this.#element.append(
      h("header", {},
        this.#name, this.#state,
        h("button", { type: "button", class: "icon", "aria-label": "Close", title: "Close (Esc)", onclick: () => app.choose("") }, icon("close")),
      ),
      this.#facts,
      this.#way,
      this.#buttons,
      h("details", {}, h("summary", {}, "What was seen of it"), this.#evidence),
    );
  }

  get id(): string {
    return this.#id;
  }

  get hasFocus(): boolean {
    return this.#element.contains(document.activeElement);
  }

  /** For who came by the keyboard. */
  focus(): void {
    this.#element.focus();
  }

  open(id: string): void {
    this.#id = id;
    this.#element.hidden = id === "";
    this.#way.replaceChildren();
    this.#evidence.replaceChildren();
    this.app.picture.path([]);
    if (!id) return this.app.picture.view.cover(0);
    this.#element.dataset["cardFor"] = id;
    this.show();
    const beside = getComputedStyle(this.#element).position === "absolute";
    this.app.picture.view.cover(beside ? this.#element.offsetLeft + this.#element.offsetWidth : 0);
    void this.#ask();
    void this.peers.now().then(() => this.show());
  }

  update(state: State, before: State): void {
    if (!this.#id) return;
    const [node, old] = [state.nodes.get(this.#id), before.nodes.get(this.#id)];
    if (!node && old) return this.app.choose("");
    if (node?.state !== old?.state || (state.links !== before.links && this.#linksChanged(state, before))) {
      this.peers.stale();
      this.#timer ||= setTimeout(() => {
        this.#timer = 0;
        void this.#ask();
      }, AGAIN_MS) as unknown as number;
    }
    this.show();
  }

  /** Shows what is known now. */
  show(): void {
    const { state } = this.app.store;
    const node = state.nodes.get(this.#id);
    const peer = this.peers.value?.peers.find((one) => one.id === this.#id);
    const name = nameOf(node ?? (peer ? { id: this.#id, label: peer.label } : undefined), this.#id);
    const self = this.#id === state.me;
    setText(this.#name, name);
    const word = node?.state ?? peer?.state ?? "unknown";
    setText(this.#state, self ? `${word}, this node` : word);
    setAttr(this.#state, "data-kind", word);
    const link = this.#link(state);
    const direction = link ? (link.from === state.me ? "this node dialled it" : "it dialled this node") : "";
    const offers = [node?.relay && "passes letters on", node?.mailbox && "keeps letters for others"].filter(Boolean);
    const facts: [string, string][] = [
      ["Id", this.#id],
      ["Since", node ? `${ago(node.since_ms)} ago` : "–"],
      ["Address", (node?.addrs ?? []).map((addr) => visible(addr, 60)).join(", ") || visible(peer?.addr ?? "–", 60)],
      ["Offers", offers.join(", ") || "nothing that is known"],
    ];
    const none = word === "alive" ? "none; it is reached through others" : (peer?.link ?? "none");
    if (!self) facts.push(["Link", link ? `${rtt(link.rtt_us)}, ${direction}` : none]);
    const marks = [peer?.pinned && "pinned by hand", peer?.banned && "banned"].filter(Boolean).join(", ");
    if (marks) facts.push(["Trust", marks]);
    if (peer?.problem) facts.push(["Problem", visible(peer.problem, 300)]);
    this.#fill(facts);
    this.#actions(self, name, peer, link !== undefined);
  }

  #fill(facts: readonly [string, string][]): void {
    const shape = facts.map(([title]) => title).join();
    if (this.#facts.dataset["shape"] !== shape) {
      this.#facts.dataset["shape"] = shape;
      this.#facts.replaceChildren(
        ...facts.flatMap(([title]) => {
          const value = h("dd", { class: title === "Id" ? "id" : "peer" }, h("span"));
          if (title === "Id") value.append(h("button", { type: "button", class: "small", onclick: () => void copy(this.#id, "The id") }, "Copy"));
          return [h("dt", {}, title), value];
        }),
      );
    }
    facts.forEach(([, words], at) => setText(this.#facts.children[at * 2 + 1]?.firstElementChild as Element, words));
  }

  #actions(self: boolean, name: string, peer: Peer | undefined, linked: boolean): void {
    const shape = [this.#id, self, name, peer?.pinned, peer?.banned, linked].join();
    if (this.#buttons.dataset["shape"] === shape) return;
    this.#buttons.dataset["shape"] = shape;
    const id = this.#id;
    const again = (work: Promise<unknown>): void => void work.then(() => this.peers.now()).then(() => this.show());
    const button = (action: string, words: string, click: () => void, kind = ""): HTMLElement =>
      h("button", { type: "button", "data-action": action, class: kind, onclick: click }, words);
    const buttons = [
      button("letter", "Write letter", () => this.app.writeTo(id), "primary"),
      button("ping", "Ping", () => void ping(id, name)),
      peer?.pinned
        ? button("unpin", "Unpin", () => again(unpin(id, name)))
        : button("pin", "Pin", () => again(pin(id, name))),
      linked && button("disconnect", "Disconnect…", () => again(disconnect(id, name)), "hurts"),
      peer?.banned
        ? button("unban", "Unban", () => again(unban(id, name)))
        : button("ban", "Ban…", () => again(ban(id, name)), "hurts"),
    ];
    this.#buttons.replaceChildren(...(self ? [] : buttons.filter((one) => one !== false)));
  }

  async #ask(): Promise<void> {
    const id = this.#id;
    if (!id) return;
    const { me, nodes } = this.app.store.state;
    const there = nodes.get(id)?.state === "alive" || nodes.get(id)?.state === "suspect";
    const [way, why] = await Promise.allSettled([
      id === me || !there ? Promise.resolve(null) : get<Way>(`path/${id}`),
      get<Why>(`why/${id}`),
    ]);
    if (id !== this.#id) return;
    if (way.status === "fulfilled") this.#showWay(way.value);
    else {
      this.app.picture.path([]);
      const words = way.reason instanceof Refused ? `${way.reason.problem.what}: ${way.reason.problem.why}` : "The way is not known";
      setText(this.#way, visible(words, 300));
    }
    const seen = why.status === "fulfilled" ? why.value.evidence.slice(-EVIDENCE_MAX).reverse() : [];
    this.#evidence.replaceChildren(
      ...seen.map(({ at_ms, text }) => h("li", {}, h("time", {}, time(at_ms)), h("span", { class: "peer" }, visible(text, 400)))),
    );
    if (seen.length === 0) this.#evidence.append(h("li", {}, "Nothing was written down."));
  }

  #showWay(way: Way | null): void {
    const { me, nodes } = this.app.store.state;
    if (!way) {
      this.app.picture.path([]);
      return setText(this.#way, this.#id === me ? "" : "No way leads there now.");
    }
    this.app.picture.path([me, ...way.hops]);
    const names = [me, ...way.hops].map((hop) => nameOf(nodes.get(hop), hop)).join(" → ");
    setText(this.#way, `Way: ${names}${way.rtt_us === null ? "" : `, ${rtt(way.rtt_us)}`}`);
  }

  #link({ links, me }: State): LinkRow | undefined {
    return links.get(linkKey(me, this.#id)) ?? links.get(linkKey(this.#id, me));
  }

  #linksChanged(state: State, before: State): boolean {
    return (this.#link(state) === undefined) !== (this.#link(before) === undefined);
  }
}
