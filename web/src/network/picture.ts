// The picture of the network: keeps layout, view and drawing together, and hears mouse, touch and keys.

import { drag } from "d3-drag";
import { select } from "d3-selection";
import { zoom, zoomIdentity, zoomTransform, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import type { State } from "../store";
import { nameOf } from "../words";
import { CanvasDrawing } from "./canvas";
import { Layout } from "./layout";
import { isDead, NAME_MAX, nodeAt, sceneLinks, type Drawing, type Scene, type SceneNode } from "./scene";
import { SvgDrawing } from "./svg";
import { neighbourTo, type Direction } from "./walk";

/** Beyond so many nodes or links a canvas draws. */
const SVG_NODES_MAX = 200;
const SVG_LINKS_MAX = 1500;
const TOUCH_SLACK = 12;
const MOUSE_SLACK = 3;
const GLIDE_MS = 260;

export interface Hears {
  /** A node was chosen, or none. */
  choose: (id: string) => void;
  /** The keyboard moved to a node. */
  visit: (name: string, node: SceneNode) => void;
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Picture {
  readonly layout = new Layout();
  #svg = new SvgDrawing();
  #canvas = new CanvasDrawing(() => this.#ask());
  #drawing: Drawing = this.#svg;
  #zoom: ZoomBehavior<HTMLElement, unknown>;
  #scene: Scene;
  #frame = 0;
  #stale = true;
  /** A person moved the view; it is not fitted any more by itself. */
  #touched = false;
  #fitted = 0;
  #glide = 0;
  /** How much of the left is covered by the card. */
  #covered = 0;

  constructor(
    readonly box: HTMLElement,
    readonly hears: Hears,
  ) {
    this.#scene = {
      width: box.clientWidth || 800,
      height: box.clientHeight || 600,
      view: { x: 0, y: 0, k: 1 },
      nodes: [],
      links: [],
      selected: "",
      hovered: "",
      cursor: "",
      path: new Set(),
      found: null,
      moves: 0,
    };
    box.prepend(this.#svg.element);
    this.#zoom = zoom<HTMLElement, unknown>()
      .scaleExtent([0.05, 8])
      .on("zoom", (event) => {
        const { x, y, k } = event.transform as ZoomTransform;
        this.#scene.view = { x, y, k };
        if (event.sourceEvent) {
          this.#touched = true;
          cancelAnimationFrame(this.#glide);
        }
        this.#ask();
      });
    this.#listen();
    new ResizeObserver(() => this.#resized()).observe(box);
  }

  get scene(): Scene {
    return this.#scene;
  }

  /** Shows what there is now. */
  update(state: State, before: State): void {
    const scene = this.#scene;
    const changed = state.nodes !== before.nodes || state.links !== before.links || state.me !== before.me;
    if (!changed || !state.whole) return;
    this.layout.sync(state.nodes, state.links);
    scene.moves += state.nodes !== before.nodes ? 1 : 0;
    scene.nodes = [];
    for (const [id, row] of state.nodes) {
      const at = this.layout.places.get(id);
      if (at) scene.nodes.push({ row, name: nameOf(row, id, NAME_MAX), at, self: id === state.me, dead: isDead(row) });
    }
    scene.links = sceneLinks(state.links, this.layout);
    this.#choose();
    if (still.matches) this.layout.step(400);
    this.#ask(true);
    if (!this.#touched && this.#fitted !== scene.nodes.length) this.fit(this.#fitted > 0);
  }

  select(id: string): void {
    this.#scene.selected = id;
    if (id) this.#scene.cursor = id;
    this.#ask(true);
  }

  /** So many pixels at the left are covered: what matters moves out of there. */
  cover(left: number): void {
    const { selected, view, width } = this.#scene;
    const place = this.layout.places.get(selected);
    const moved = this.#covered !== left;
    this.#covered = left < width / 2 ? left : 0;
    if (!this.#touched) {
      if (moved) this.fit();
    } else if (place && place.x * view.k + view.x < this.#covered + 30) this.centre(selected);
  }

  /** Highlights a way: nodes in order, this node first. */
  path(ids: readonly string[]): void {
    const path = new Set(ids);
    for (let n = 1; n < ids.length; n += 1) {
      path.add(`${ids[n - 1]}-${ids[n]}`);
      path.add(`${ids[n]}-${ids[n - 1]}`);
    }
    this.#scene.path = path;
    this.#ask(true);
  }

  find(found: ReadonlySet<string> | null): void {
    this.#scene.found = found;
    this.#ask(true);
  }

  /** Colours or rows changed in a way that `update` does not see. */
  repaint(): void {
    this.#drawing.clear();
    this.#ask(true);
  }

  centre(id: string): void {
    const place = this.layout.places.get(id);
    if (!place) return;
    const { width, height, view } = this.#scene;
    const k = Math.max(view.k, this.#scene.nodes.length > SVG_NODES_MAX ? 1.2 : 0.8);
    this.#touched = true;
    this.#go(zoomIdentity.translate((width + this.#covered) / 2 - place.x * k, height / 2 - place.y * k).scale(k));
  }

  zoomBy(factor: number): void {
    this.#touched = true;
    select(this.box).call(this.#zoom.scaleBy, factor);
  }

  /** Shows all nodes. */
  fit(glide = true): void {
    const { nodes, width, height } = this.#scene;
    this.#touched = false;
    this.#fitted = nodes.length;
    if (nodes.length === 0) return;
    const xs = nodes.map((node) => node.at.x);
    const ys = nodes.map((node) => node.at.y);
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
    // Room for discs and names at the rim, and for the legend at the bottom.
    const [marginX, above] = [Math.min(60, width / 8), Math.min(50, height / 8)];
    const below = above + 14 + Math.min(this.#legend(), height / 4);
    const [roomX, roomY] = [width - this.#covered - 2 * marginX, height - above - below];
    const k = Math.min(
      nodes.length <= 200 ? 1.6 : 3,
      roomX / Math.max(1, right - left),
      roomY / Math.max(1, bottom - top),
    );
    const x = this.#covered + marginX + roomX / 2 - ((left + right) / 2) * k;
    const y = above + roomY / 2 - ((top + bottom) / 2) * k;
    this.#go(zoomIdentity.translate(x, y).scale(k), glide);
  }

  /** Finds new places for all nodes. */
  arrange(): void {
    this.#touched = false;
    this.layout.anew();
    if (still.matches) this.layout.step(1000);
    this.#scene.moves += 1;
    this.#ask(true);
    if (!this.layout.moving) this.fit();
  }

  /** How high the legend reaches from the bottom. */
  #legend(): number {
    const legend = document.getElementById("legend");
    if (!legend) return 0;
    return Math.max(0, this.box.getBoundingClientRect().bottom - legend.getBoundingClientRect().top);
  }

  /** Moves the keyboard's place to the next node in a direction. */
  walk(direction: Direction): void {
    const next = neighbourTo(this.#scene, direction);
    if (next) this.#visit(next);
  }

  #visit(node: SceneNode): void {
    const { view, width, height } = this.#scene;
    this.#scene.cursor = node.row.id;
    const [x, y] = [node.at.x * view.k + view.x, node.at.y * view.k + view.y];
    if (x < 20 || y < 20 || x > width - 20 || y > height - 20) this.centre(node.row.id);
    this.#ask(true);
    this.hears.visit(node.name, node);
    this.#draw();
    const element = this.box.querySelector<SVGGElement>(`[data-node="${node.row.id}"]`);
    element?.focus({ preventScroll: true });
  }

  #go(to: ZoomTransform, glide = true): void {
    cancelAnimationFrame(this.#glide);
    const selection = select(this.box);
    const from = zoomTransform(this.box);
    if (!glide || still.matches) return void selection.call(this.#zoom.transform, to);
    const begun = performance.now();
    const step = (now: number): void => {
      const t = Math.min(1, Math.max(0, (now - begun) / GLIDE_MS));
      const e = 1 - (1 - t) ** 3;
      const between = (a: number, b: number): number => a + (b - a) * e;
      const at = zoomIdentity.translate(between(from.x, to.x), between(from.y, to.y));
      selection.call(this.#zoom.transform, at.scale(between(from.k, to.k)));
      if (t < 1) this.#glide = requestAnimationFrame(step);
    };
    this.#glide = requestAnimationFrame(step);
  }

  /** SVG or canvas, with some room between, so that it does not change back and forth. */
  #choose(): void {
    const { nodes, links } = this.#scene;
    const slack = this.#drawing === this.#canvas ? 0.9 : 1;
    const many = nodes.length > SVG_NODES_MAX * slack || links.length > SVG_LINKS_MAX * slack;
    const wanted = many ? this.#canvas : this.#svg;
    if (wanted === this.#drawing) return;
    this.#drawing.clear();
    this.#drawing.element.replaceWith(wanted.element);
    this.#drawing = wanted;
  }

  #ask(rows = false): void {
    this.#stale ||= rows;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const wasMoving = this.layout.moving;
    const moving = this.layout.step(this.#drawing === this.#canvas ? 24 : 8);
    if (wasMoving) this.#scene.moves += 1;
    const stale = this.#stale;
    this.#stale = false;
    this.#drawing.draw(this.#scene, stale);
    if (moving) this.#ask();
    else if (wasMoving && !this.#touched) this.fit();
  }

  #resized(): void {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height) return;
    this.#scene.width = width;
    this.#scene.height = height;
    if (!this.#touched) this.fit(false);
    this.#ask(true);
  }

  #at(event: { clientX: number; clientY: number; target?: EventTarget | null }, slack: number): SceneNode | null {
    const element = event.target instanceof Element ? event.target.closest("[data-node]") : null;
    const id = element?.getAttribute("data-node");
    const named = id ? this.#scene.nodes.find((node) => node.row.id === id) : undefined;
    if (named) return named;
    const box = this.box.getBoundingClientRect();
    return nodeAt(this.#scene, event.clientX - box.left, event.clientY - box.top, slack);
  }

  #listen(): void {
    const { box } = this;
    const onPicture = (event: Event): boolean =>
      event.target === box || (event.target instanceof Element && event.target.closest("svg.picture-svg, canvas") !== null);
    const subject = (event: any): SceneNode | null => {
      const source = event.sourceEvent as MouseEvent | TouchEvent;
      const touch = "touches" in source ? source.touches[0] : null;
      const { clientX, clientY } = touch ?? (source as MouseEvent);
      return this.#at({ clientX, clientY, target: source.target }, touch ? TOUCH_SLACK : MOUSE_SLACK);
    };
    const dragged = drag<HTMLElement, unknown, SceneNode | null>()
      .container(() => box)
      .clickDistance(4)
      .filter((event) => onPicture(event) && !event.ctrlKey && !event.button)
      .subject(subject as never)
      .on("drag", (event) => {
        const node = event.subject as SceneNode;
        const { k, x, y } = this.#scene.view;
        const box = this.box.getBoundingClientRect();
        const source = event.sourceEvent as MouseEvent | TouchEvent;
        const point = "touches" in source ? source.touches[0] : source;
        if (!point) return;
        this.#touched = true;
        this.#scene.moves += 1;
        this.layout.put(node.row.id, (point.clientX - box.left - x) / k, (point.clientY - box.top - y) / k);
        this.#ask();
      });
    this.#zoom.filter(
      (event: Event) => onPicture(event) && !(event as MouseEvent).button && !((event as MouseEvent).ctrlKey && event.type !== "wheel"),
    );
    select(box).call(dragged).call(this.#zoom).on("dblclick.zoom", null);
    box.addEventListener("click", (event) => {
      if (!onPicture(event)) return;
      const touch = (event as PointerEvent).pointerType === "touch";
      this.hears.choose(this.#at(event, touch ? TOUCH_SLACK : MOUSE_SLACK)?.row.id ?? "");
    });
    box.addEventListener("pointermove", (event) => {
      const hovered = onPicture(event) ? (this.#at(event, MOUSE_SLACK)?.row.id ?? "") : "";
      box.classList.toggle("over-node", hovered !== "");
      if (hovered === this.#scene.hovered) return;
      this.#scene.hovered = hovered;
      this.#ask(true);
    });
    box.addEventListener("pointerleave", () => {
      this.#scene.hovered = "";
      this.#ask(true);
    });
    box.addEventListener("focusin", (event) => {
      const id = event.target instanceof Element ? event.target.getAttribute("data-node") : null;
      if (!id || id === this.#scene.cursor) return;
      this.#scene.cursor = id;
      this.#ask(true);
    });
    box.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event: KeyboardEvent): void {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!(target === this.box || (target instanceof Element && target.closest("svg.picture-svg")))) return;
    const direction = DIRECTIONS[event.key];
    if (direction) this.walk(direction);
    else if (event.key === "Home") {
      const self = this.#scene.nodes.find((node) => node.self);
      if (self) this.#visit(self);
    } else if ((event.key === "Enter" || event.key === " ") && this.#scene.cursor) {
      this.hears.choose(this.#scene.cursor);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

const DIRECTIONS: Record<string, Direction> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
};
