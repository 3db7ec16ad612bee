// The other nodes, as this daemon sees them.

import type { App } from "../app";
import { h, setAttr, setText } from "../dom";
import { stepOf } from "../network/colours";
import { Polled } from "../poll";
import type { Peer } from "../shapes";
import type { Panel } from "../tabs";
import { Table } from "../table";
import { ago, nameOf, rtt, visible } from "../words";
import { fillNode, fillPill, hint } from "./parts";

const ARROWS = { out: "→ out", in: "← in" };

/** `peers` is shared with the card, which shows what is pinned and banned. */
export function peersPanel(app: App, peers: Polled<{ peers: Peer[] }>): Panel {
  const table = new Table<Peer>(
    "Peers",
    [
      {
        name: "node", title: "Node", class: "grow", by: (peer) => nameOf({ id: peer.id ?? "", label: peer.label }).toLowerCase(),
        fill: (cell, peer) => {
          fillNode(cell, peer.id ?? "", peer.label || (peer.id ? "" : (peer.addr ?? "")));
          const marks = [peer.pinned && "pinned", peer.banned && "banned", peer.problem && visible(peer.problem, 120)];
          if (cell.children.length < 3) cell.append(h("span", { class: "problem" }));
          setText(cell.children[2] as Element, marks.filter(Boolean).join(", "));
        },
      },
      { name: "state", title: "State", by: (peer) => peer.state, fill: (cell, peer) => fillPill(cell, stateOf(app, peer)) },
      {
        name: "link", title: "Link", by: (peer) => peer.link + (peer.direction ?? ""),
        fill: (cell, peer) => setText(cell, linkOf(app, peer)),
      },
      {
        name: "rtt", title: "RTT", class: "number", by: (peer) => peer.rtt_us ?? Infinity,
        fill: (cell, peer) => {
          setText(cell, rtt(peer.rtt_us));
          setAttr(cell, "data-step", peer.rtt_us ? String(stepOf(peer.rtt_us)) : null);
        },
      },
      { name: "since", title: "Since", class: "number", by: (peer) => -peer.since_ms, fill: (cell, peer) => setText(cell, ago(peer.since_ms)) },
    ],
    (peer) => peer.id ?? `at ${peer.addr ?? peer.label}`,
    (peer) => peer.id && app.choose(peer.id),
    (row, peer) => {
      setAttr(row, "data-peer", peer.id ?? "");
      setAttr(row, "data-state", stateOf(app, peer));
      row.classList.toggle("chosen", peer.id !== null && app.picture.scene.selected === peer.id);
    },
  );
  const none = hint("Nobody else yet. Connect to the address of any other node, and it tells of all others.");
  const show = (): void => {
    const rows = peers.value?.peers ?? [];
    none.hidden = rows.length > 0 || !peers.value;
    table.show(rows);
  };
  return {
    name: "peers",
    title: "Peers",
    element: h("div", {}, none, table.element),
    badge: () => "",
    update: (state, before) => {
      const news = !before || state.nodes !== before.nodes || state.status !== before.status;
      if (news || state.links !== before.links) peers.stale();
      // Without any change it is the list itself or the choice that changed.
      if (news || state === before) show();
    },
  };
}

/** Our own link, or how else it is reached. */
function linkOf(app: App, peer: Peer): string {
  if (peer.link === "up" && peer.direction) return ARROWS[peer.direction];
  return peer.link === "down" && stateOf(app, peer) === "alive" ? "via others" : peer.link;
}

/** The stream is faster than the list. */
const stateOf = (app: App, peer: Peer): string =>
  (peer.id && app.store.state.nodes.get(peer.id)?.state) || peer.state;
