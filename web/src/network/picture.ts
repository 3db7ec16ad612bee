// The picture of the network: keeps layout, view and drawing together, and hears mouse, touch and keys.

import { drag } from "d3-drag";
import { select } from "d3-selection";
import type { State } from "../store";
import { nameOf } from "../words";
import { CanvasDrawing } from "./canvas";
import { Layout } from "./layout";
import { isDead, NAME_MAX, nodeAt, sceneLinks, type Drawing, type Scene, type SceneNode } from "./scene";
import { SvgDrawing } from "./svg";
import { still, View } from "./view";
import { neighbourTo, type Direction } from "./walk";

/** Beyond so many nodes or links a canvas draws. */
const SVG_NODES_MAX = 200;
const SVG_LINKS_MAX = 1500;
const TOUCH_SLACK = 12;
const MOUSE_SLACK = 3;
const DIRECTIONS: Record<string, Direction> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
};

export interface Hears {
  /** A node was chosen, or none. */
  choose: (id: string, byKey: boolean) => void;
  /** The keyboard moved to a node. */
  visit: (name: string, node: SceneNode) => void;
}

type Point = { clientX: number; clientY: number };

export class Picture {
  readonly layout = new Layout();
  readonly view: View;
  readonly scene: Scene;
  #svg = new SvgDrawing();
  #canvas = new CanvasDrawing(() => this.#ask());
  #drawing: Drawing = this.#svg;
  #frame = 0;
  #stale = true;

  constructor(
    readonly box: HTMLElement,
    readonly hears: Hears,
  ) {
    this.scene = {
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
    this.view = new View(box, this.scene, () => this.#ask(), (event) => this.#isOn(event));
    this.#listen();
    new ResizeObserver(() => this.#resized()).observe(box);
  }

  /** Shows what there is now. */
  update(state: State, before: State): void {
    const { scene, view } = this;
    const changed = state.nodes !== before.nodes || state.links !== before.links || state.me !== before.me;
    if (!state.whole || (!changed && before.whole)) return;
    this.layout.sync(state.nodes, state.links);
    scene.moves += state.nodes !== before.nodes ? 1 : 0;
    scene.nodes = [];
    for (const [id, row] of state.nodes) {
      const at = this.layout.places.get(id);
      if (at) scene.nodes.push({ row, name: nameOf(row, id, NAME_MAX), at, self: id === state.me, dead: isDead(row) });
    }
    scene.links = sceneLinks(state.links, this.layout);
    this.#choose();
    view.bound();
    if (still.matches) this.layout.step(400);
    this.#ask(true);
    if (!view.touched && view.fitted !== scene.nodes.length) view.fit(view.fitted > 0);
  }

  select(id: string): void {
    this.scene.selected = id;
    if (id) this.scene.cursor = id;
    this.#ask(true);
  }

  /** Highlights a way: nodes in order, this node first. */
  path(ids: readonly string[]): void {
    const path = new Set(ids);
    for (let n = 1; n < ids.length; n += 1) {
      path.add(`${ids[n - 1]}-${ids[n]}`);
      path.add(`${ids[n]}-${ids[n - 1]}`);
    }
    this.scene.path = path;
    this.#ask(true);
  }

  find(found: ReadonlySet<string> | null): void {
    this.scene.found = found;
    this.#ask(true);
  }

  /** Colours or rows changed in a way that `update` does not see. */
  repaint(): void {
    this.#drawing.clear();
    this.#ask(true);
  }

  /** Finds new places for all nodes. */
  arrange(): void {
    this.view.touched = false;
    this.layout.anew();
    if (still.matches) this.layout.step(1000);
    this.scene.moves += 1;
    this.#ask(true);
    if (!this.layout.moving) this.view.fit();
  }

  /** Puts the keyboard on a node, or on the picture where nodes are no elements. */
  focus(id: string): void {
    const element = this.box.querySelector<SVGGElement>(`[data-node="${id}"]`);
    (element ?? this.box).focus({ preventScroll: true });
  }

  #visit(node: SceneNode): void {
    const { view, width, height } = this.scene;
    this.scene.cursor = node.row.id;
    const [x, y] = [node.at.x * view.k + view.x, node.at.y * view.k + view.y];
    if (x < 20 || y < 20 || x > width - 20 || y > height - 20) this.view.centre(node.row.id);
    this.#ask(true);
    this.hears.visit(node.name, node);
    this.#draw();
    this.focus(node.row.id);
  }

  /** SVG or canvas, with some room between, so that it does not change back and forth. */
  #choose(): void {
    const { nodes, links } = this.scene;
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
    if (wasMoving) this.scene.moves += 1;
    const stale = this.#stale;
    this.#stale = false;
    this.#drawing.draw(this.scene, stale);
    if (moving) this.#ask();
    else if (wasMoving) {
      this.view.bound();
      if (!this.view.touched) this.view.fit();
    }
  }

  #resized(): void {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height) return;
    this.scene.width = width;
    this.scene.height = height;
    this.view.bound();
    if (!this.view.touched) this.view.fit(false);
    this.#ask(true);
  }

  /** Whether something happened on the picture itself, not on what lies over it. */
  #isOn({ target }: Event): boolean {
    return target === this.box || (target instanceof Element && target.closest("svg.picture-svg, canvas") !== null);
  }

  #at({ clientX, clientY }: Point, target: EventTarget | null, slack: number): SceneNode | null {
    const element = target instanceof Element ? target.closest("[data-node]") : null;
    const id = element?.getAttribute("data-node");
    const named = id ? this.scene.nodes.find((node) => node.row.id === id) : undefined;
    if (named) return named;
    const box = this.box.getBoundingClientRect();
    return nodeAt(this.scene, clientX - box.left, clientY - box.top, slack);
  }

  #listen(): void {
    const { box, scene } = this;
    const pointOf = (source: MouseEvent | TouchEvent): Point | undefined =>
      "touches" in source ? source.touches[0] : source;
    const subject = ({ sourceEvent }: { sourceEvent: MouseEvent | TouchEvent }): SceneNode | null => {
      const point = pointOf(sourceEvent);
      return point ? this.#at(point, sourceEvent.target, "touches" in sourceEvent ? TOUCH_SLACK : MOUSE_SLACK) : null;
    };
    const dragged = drag<HTMLElement, unknown, SceneNode | null>()
      .container(() => box)
      .clickDistance(4)
      .filter((event) => this.#isOn(event) && !event.ctrlKey && !event.button)
      .subject(subject as never)
      .on("drag", (event) => {
        const point = pointOf(event.sourceEvent);
        if (!point) return;
        const { k, x, y } = scene.view;
        const { left, top } = box.getBoundingClientRect();
        this.view.touched = true;
        scene.moves += 1;
        const { id } = (event.subject as SceneNode).row;
        this.layout.put(id, (point.clientX - left - x) / k, (point.clientY - top - y) / k);
        this.#ask();
      });
    // A node that is dragged does not move the ground: this comes first.
    select(box).call(dragged);
    this.view.listen();
    box.addEventListener("click", (event) => {
      if (!this.#isOn(event)) return;
      const touch = (event as PointerEvent).pointerType === "touch";
      const node = this.#at(event, event.target, touch ? TOUCH_SLACK : MOUSE_SLACK);
      this.hears.choose(node?.row.id ?? "", false);
    });
    box.addEventListener("pointermove", (event) => {
      this.#hover(this.#isOn(event) ? (this.#at(event, event.target, MOUSE_SLACK)?.row.id ?? "") : "");
    });
    box.addEventListener("pointerleave", () => this.#hover(""));
    box.addEventListener("focusin", (event) => {
      const id = event.target instanceof Element ? event.target.getAttribute("data-node") : null;
      if (!id || id === scene.cursor) return;
      scene.cursor = id;
      this.#ask(true);
    });
    box.addEventListener("keydown", (event) => this.#key(event));
  }

  #hover(id: string): void {
    if (id === this.scene.hovered) return;
    this.box.classList.toggle("over-node", id !== "");
    this.scene.hovered = id;
    this.#ask(true);
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#isOn(event)) return;
    const direction = DIRECTIONS[event.key];
    if (direction || event.key === "Home") {
      const self = this.scene.nodes.find((node) => node.self);
      const next = direction ? neighbourTo(this.scene, direction) : self;
      if (next) this.#visit(next);
    } else if ((event.key === "Enter" || event.key === " ") && this.scene.cursor) {
      this.hears.choose(this.scene.cursor, true);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
