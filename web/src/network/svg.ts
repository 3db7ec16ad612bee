// Draws the network as SVG: each node and link an element of its own, which tests and tools can find.

import { s, setAttr, setText } from "../dom";
import { isHot, radiusOf, Room, type Drawing, type Scene, type SceneLink, type SceneNode } from "./scene";
import { boundsOf } from "./view";
import { rtt, short } from "../words";

interface NodeParts {
  group: SVGGElement;
  halo: SVGCircleElement;
  disc: SVGCircleElement;
  initial: SVGTextElement;
  label: SVGTextElement;
  word: SVGTextElement;
  /** Of the disc, and of what is written below it. */
  radius: number;
  width: number;
  height: number;
}

interface LinkParts {
  group: SVGGElement;
  line: SVGLineElement;
  arrow: SVGPathElement;
  title: SVGTitleElement;
  /** In a layer of its own, above all lines. */
  text: SVGTextElement;
}

/** Where along a link its text may stand, best first; never in the middle, where the links of a square cross. */
const SPOTS = [0.42, 0.58, 0.34, 0.66, 0.27, 0.73];
/** So much of the picture each round trip needs to be read; where there is less, only those that matter are shown. */
const AREA_OF_TEXT = 7000;
/** Up to so many nodes the tabulator key visits each. */
const TABBED_MAX = 40;

export class SvgDrawing implements Drawing {
  readonly element = s("svg", { class: "picture-svg", role: "group", "aria-label": "The network" });
  #linkLayer = s("g", { class: "links" });
  #textLayer = s("g", { class: "rtts", "aria-hidden": "true" });
  #nodeLayer = s("g", { class: "nodes" });
  #nodes = new Map<string, NodeParts>();
  #links = new Map<string, LinkParts>();

  constructor() {
    this.element.append(this.#linkLayer, this.#textLayer, this.#nodeLayer);
  }

  clear(): void {
    this.#nodes.clear();
    this.#links.clear();
    this.#linkLayer.replaceChildren();
    this.#textLayer.replaceChildren();
    this.#nodeLayer.replaceChildren();
  }

  draw(scene: Scene, rows: boolean): void {
    if (rows) this.#rows(scene);
    const { k, x, y } = scene.view;
    const room = new Room();
    const radius = radiusOf(scene);
    for (const node of scene.nodes) {
      const parts = this.#nodes.get(node.row.id);
      if (!parts) continue;
      const [sx, sy] = [node.at.x * k + x, node.at.y * k + y];
      const r = radiusOf(scene, node.self);
      parts.group.setAttribute("transform", `translate(${sx.toFixed(1)} ${sy.toFixed(1)})`);
      setAttr(parts.disc, "r", r.toFixed(1));
      setAttr(parts.halo, "r", (r + 6).toFixed(1));
      setAttr(parts.label, "y", (r + 17).toFixed(1));
      setAttr(parts.word, "y", (r + 32).toFixed(1));
      parts.radius = node.self ? r + 6 : r;
      room.block(sx, sy, r * 2 + 10, r * 2 + 10);
      room.block(sx, sy + r + 4 + parts.height / 2, parts.width, parts.height);
    }
    const crowded = radius < 9 || scene.links.length * AREA_OF_TEXT > extent(scene) * k * k;
    setAttr(this.element, "data-crowded", crowded ? "true" : null);
    for (const link of scene.links) this.#place(scene, link, room, crowded);
  }

  #edge(id: string, ux: number, uy: number): number {
    const parts = this.#nodes.get(id);
    return parts ? edgeOf(parts.radius, parts.width, parts.height, ux, uy) : 0;
  }

  #rows(scene: Scene): void {
    this.element.setAttribute("viewBox", `0 0 ${scene.width} ${scene.height}`);
    const tabbed = scene.nodes.length <= TABBED_MAX;
    const stale = new Set(this.#nodes.keys());
    for (const node of scene.nodes) {
      stale.delete(node.row.id);
      this.#row(scene, node, tabbed);
    }
    for (const id of stale) {
      this.#nodes.get(id)?.group.remove();
      this.#nodes.delete(id);
    }
    const staleLinks = new Set(this.#links.keys());
    for (const link of scene.links) {
      staleLinks.delete(link.key);
      this.#linkRow(scene, link);
    }
    for (const key of staleLinks) {
      this.#links.get(key)?.group.remove();
      this.#links.get(key)?.text.remove();
      this.#links.delete(key);
    }
  }

  #row(scene: Scene, node: SceneNode, tabbed: boolean): void {
    const { id, state } = node.row;
    let parts = this.#nodes.get(id);
    if (!parts) {
      parts = makeNode(id);
      this.#nodes.set(id, parts);
      this.#nodeLayer.append(parts.group);
    }
    const { group } = parts;
    setAttr(group, "data-state", state);
    setAttr(group, "data-self", node.self ? "true" : null);
    setAttr(group, "class", classesOf(scene, id));
    setAttr(group, "tabindex", tabbed || scene.cursor === id ? "0" : "-1");
    setAttr(group, "aria-label", `${node.name}, ${node.self ? "this node, " : ""}${state}`);
    setAttr(group, "aria-pressed", scene.selected === id ? "true" : "false");
    setText(parts.label, node.name);
    setText(parts.initial, initial(node.name));
    const word = state !== "alive" ? state : node.self ? "this node" : "";
    setText(parts.word, word);
    parts.width = Math.max(36, node.name.length * 8, word.length * 7);
    parts.height = word ? 34 : 18;
  }

  #linkRow(scene: Scene, link: SceneLink): void {
    let parts = this.#links.get(link.key);
    if (!parts) {
      parts = makeLink(link);
      this.#links.set(link.key, parts);
      this.#linkLayer.append(parts.group);
      this.#textLayer.append(parts.text);
    }
    const dim = scene.selected !== "" || scene.path.size > 0;
    const hot = isHot(scene, link);
    const classes = ["link", `step-${link.step}`];
    if (hot) classes.push("hot");
    else if (dim) classes.push("dim");
    if (scene.path.has(link.key)) classes.push("on-path");
    setAttr(parts.group, "class", classes.join(" "));
    setAttr(parts.group, "data-state", link.row.state);
    setAttr(parts.text, "class", classes.join(" ").replace("link", "rtt"));
    const words = rtt(link.row.rtt_us);
    setText(parts.text, words);
    const [from, to] = [link.row.from, link.row.to].map((id) => this.#nodes.get(id)?.label.textContent ?? short(id));
    setText(parts.title, `${from} dialled ${to}: ${words}`);
  }

  #place(scene: Scene, link: SceneLink, room: Room, crowded: boolean): void {
    const parts = this.#links.get(link.key);
    if (!parts) return;
    const { k, x, y } = scene.view;
    const [ax, ay] = [link.a.x * k + x, link.a.y * k + y];
    const [bx, by] = [link.b.x * k + x, link.b.y * k + y];
    const length = Math.hypot(bx - ax, by - ay) || 1;
    const [ux, uy] = [(bx - ax) / length, (by - ay) / length];
    const at = (t: number): [number, number] => [ax + (bx - ax) * t, ay + (by - ay) * t];
    const start = Math.min(this.#edge(link.row.from, ux, uy), length / 2);
    const end = Math.max(length - this.#edge(link.row.to, -ux, -uy), length / 2);
    setAttr(parts.line, "x1", (ax + ux * start).toFixed(1));
    setAttr(parts.line, "y1", (ay + uy * start).toFixed(1));
    setAttr(parts.line, "x2", (ax + ux * (end - 5)).toFixed(1));
    setAttr(parts.line, "y2", (ay + uy * (end - 5)).toFixed(1));
    const angle = (Math.atan2(uy, ux) * 180) / Math.PI;
    const tip = `${(ax + ux * end).toFixed(1)} ${(ay + uy * end).toFixed(1)}`;
    setAttr(parts.arrow, "transform", `translate(${tip}) rotate(${angle.toFixed(1)})`);
    let shown = false;
    const hot = isHot(scene, link);
    const wanted = hot || (!crowded && scene.selected === "" && scene.path.size === 0);
    if (wanted && length > (hot ? 70 : 95) && link.row.rtt_us && room.size < 400) {
      const width = (parts.text.textContent?.length ?? 0) * (scene.path.has(link.key) ? 7.6 : 6.4) + 6;
      for (const t of SPOTS) {
        const [tx, ty] = at(t);
        if (!room.take(tx, ty, width, 15)) continue;
        setAttr(parts.text, "x", tx.toFixed(1));
        setAttr(parts.text, "y", (ty + 4).toFixed(1));
        shown = true;
        break;
      }
    }
    setAttr(parts.text, "visibility", shown ? null : "hidden");
  }
}

/** The area that the nodes lie in; two lie in a line, which has none but has room enough. */
function extent(scene: Scene): number {
  const { left, right, top, bottom } = boundsOf(scene);
  return Math.max(right - left, 100) * Math.max(bottom - top, 100);
}

/** Where a node and what is written below it end in a direction. */
function edgeOf(radius: number, width: number, height: number, ux: number, uy: number): number {
  const round = radius + 5;
  const top = radius + 3;
  if (uy <= 0 || width === 0 || Math.abs((top / uy) * ux) > width / 2) return round;
  const side = ux === 0 ? Infinity : width / 2 / Math.abs(ux);
  return Math.max(round, Math.min((top + height) / uy, side) + 4);
}

function classesOf(scene: Scene, id: string): string {
  const classes = ["node"];
  if (scene.selected === id) classes.push("selected");
  if (scene.cursor === id) classes.push("cursor");
  if (scene.path.has(id)) classes.push("on-path");
  if (scene.found) classes.push(scene.found.has(id) ? "found" : "dim");
  return classes.join(" ");
}

function initial(name: string): string {
  const first = Array.from(name)[0] ?? "";
  return /[\p{L}\p{N}]/u.test(first) ? first.toUpperCase() : "·";
}

function makeNode(id: string): NodeParts {
  const halo = s("circle", { class: "halo" });
  const disc = s("circle", { class: "disc" });
  const initial = s("text", { class: "initial", dy: "0.36em" });
  const label = s("text", { class: "label" });
  const word = s("text", { class: "word" });
  const group = s(
    "g",
    { "data-node": id, role: "button", "aria-roledescription": "node" },
    halo,
    disc,
    initial,
    label,
    word,
  );
  return { group, halo, disc, initial, label, word, radius: 0, width: 0, height: 0 };
}

function makeLink(link: SceneLink): LinkParts {
  const line = s("line");
  const arrow = s("path", { class: "arrow", d: "M0 0 L-9 -4.5 L-7 0 L-9 4.5 Z" });
  const text = s("text", { class: "rtt", "data-rtt": link.key });
  const title = s("title");
  const group = s("g", { "data-link": link.key }, title, line, arrow);
  return { group, line, arrow, title, text };
}
