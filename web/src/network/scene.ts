// What is to be drawn, for either way of drawing it.

import type { LinkRow, NodeRow } from "../shapes";
import { stepOf } from "./colours";
import type { Layout, Place } from "./layout";

export interface SceneNode {
  row: NodeRow;
  name: string;
  at: Place;
  self: boolean;
  dead: boolean;
}

export interface SceneLink {
  key: string;
  row: LinkRow;
  a: Place;
  b: Place;
  step: number;
}

export interface Scene {
  width: number;
  height: number;
  /** Where the middle of the world is, and how large it is shown. */
  view: { x: number; y: number; k: number };
  nodes: SceneNode[];
  links: SceneLink[];
  selected: string;
  hovered: string;
  /** Where the keyboard is. */
  cursor: string;
  /** Nodes and links (by key) of the highlighted path. */
  path: ReadonlySet<string>;
  found: ReadonlySet<string> | null;
  /** Grows when places change. */
  moves: number;
}

export interface Drawing {
  readonly element: Element;
  /** Draws; `rows` says that more than places and the view changed. */
  draw(scene: Scene, rows: boolean): void;
  clear(): void;
}

export const isDead = (row: NodeRow): boolean =>
  row.state === "failed" || row.state === "unreachable" || row.state === "left";

export function sceneLinks(links: ReadonlyMap<string, LinkRow>, layout: Layout): SceneLink[] {
  const all: SceneLink[] = [];
  for (const [key, row] of links) {
    const a = layout.places.get(row.from);
    const b = layout.places.get(row.to);
    if (a && b) all.push({ key, row, a, b, step: stepOf(row.rtt_us) });
  }
  return all;
}

/** Names are longer in tables than in the picture. */
export const NAME_MAX = 22;

/** Radius of a node on the screen. */
export function radiusOf(scene: Scene, self = false): number {
  const room = scene.nodes.length <= 30 ? 19 : scene.nodes.length <= 200 ? 13 : scene.nodes.length <= 500 ? 9 : 7;
  const shown = room * Math.min(1.5, Math.max(0.4, Math.sqrt(scene.view.k)));
  return self ? shown * 1.25 : shown;
}

/** The node at a point of the screen. */
export function nodeAt(scene: Scene, x: number, y: number, slack: number): SceneNode | null {
  const { view } = scene;
  let best: SceneNode | null = null;
  let bestDistance = Infinity;
  for (const node of scene.nodes) {
    const distance = Math.hypot(node.at.x * view.k + view.x - x, node.at.y * view.k + view.y - y);
    if (distance <= radiusOf(scene, node.self) + slack && distance < bestDistance) {
      best = node;
      bestDistance = distance;
    }
  }
  return best;
}

export const isHot = (scene: Scene, link: SceneLink): boolean =>
  scene.path.has(link.key) ||
  (scene.selected !== "" && touches(link, scene.selected)) ||
  (scene.hovered !== "" && touches(link, scene.hovered));

const touches = (link: SceneLink, id: string): boolean => link.row.from === id || link.row.to === id;

/** Places for texts that must not cover each other: a grid of taken boxes. */
export class Room {
  #taken: [number, number, number, number][] = [];

  block(x: number, y: number, width: number, height: number): void {
    this.#taken.push([x, y, width, height]);
  }

  take(x: number, y: number, width: number, height: number): boolean {
    const free = this.#taken.every(
      ([x2, y2, w2, h2]) => Math.abs(x - x2) * 2 > width + w2 || Math.abs(y - y2) * 2 > height + h2,
    );
    if (free) this.#taken.push([x, y, width, height]);
    return free;
  }

  get size(): number {
    return this.#taken.length;
  }
}
