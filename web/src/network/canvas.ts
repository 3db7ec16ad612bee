// Draws a large network on a canvas: one stroke for all links of a colour, one fill for all nodes of a state.

import { radiusOf, isHot, Room, type Drawing, type Scene, type SceneLink, type SceneNode } from "./scene";
import { paintOf, STEPS, type Paint } from "./colours";

const LABELS_MAX = 250;
const TAU = Math.PI * 2;

export class CanvasDrawing implements Drawing {
  readonly element = document.createElement("canvas");
  #context: CanvasRenderingContext2D;
  #paint: Paint | null = null;

  constructor() {
    this.element.className = "picture-canvas";
    const context = this.element.getContext("2d");
    if (!context) throw new Error("this browser draws nothing");
    this.#context = context;
  }

  clear(): void {
    this.#paint = null;
  }

  draw(scene: Scene, rows: boolean): void {
    if (rows || !this.#paint) this.#paint = paintOf(this.element.parentElement ?? document.body);
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(scene.width * ratio), Math.round(scene.height * ratio)];
    if (this.element.width !== width || this.element.height !== height) {
      this.element.width = width;
      this.element.height = height;
    }
    const c = this.#context;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, scene.width, scene.height);
    this.#links(c, scene, this.#paint);
    this.#nodes(c, scene, this.#paint);
  }

  #links(c: CanvasRenderingContext2D, scene: Scene, paint: Paint): void {
    const marked = scene.selected !== "" || scene.hovered !== "" || scene.path.size > 0;
    const cold: SceneLink[][] = STEPS.map(() => []);
    const hot: SceneLink[] = [];
    const { k, x, y } = scene.view;
    const outside = (p: { x: number; y: number }, q: { x: number; y: number }): boolean =>
      Math.max(p.x, q.x) * k + x < 0 ||
      Math.max(p.y, q.y) * k + y < 0 ||
      Math.min(p.x, q.x) * k + x > scene.width ||
      Math.min(p.y, q.y) * k + y > scene.height;
    for (const link of scene.links) {
      if (outside(link.a, link.b)) continue;
      if (marked && isHot(scene, link)) hot.push(link);
      else cold[link.step]?.push(link);
    }
    c.lineWidth = 1;
    c.globalAlpha = marked ? 0.1 : scene.links.length > 3000 ? 0.32 : 0.6;
    cold.forEach((links, step) => this.#stroke(c, scene, links, paint.rtt[step] ?? paint.muted));
    c.globalAlpha = 1;
    for (const link of hot) {
      const onPath = scene.path.has(link.key);
      c.lineWidth = onPath ? 4 : 1.8;
      this.#stroke(c, scene, [link], onPath ? paint.accent : (paint.rtt[link.step] ?? paint.muted));
      this.#arrow(c, scene, link);
    }
    if (k > 1.6) for (const links of cold) for (const link of links) this.#arrow(c, scene, link, paint);
  }

  #stroke(c: CanvasRenderingContext2D, scene: Scene, links: SceneLink[], colour: string): void {
    if (links.length === 0) return;
    const { k, x, y } = scene.view;
    c.beginPath();
    for (const { a, b } of links) {
      c.moveTo(a.x * k + x, a.y * k + y);
      c.lineTo(b.x * k + x, b.y * k + y);
    }
    c.strokeStyle = colour;
    c.stroke();
  }

  /** Who was dialled: a tip before that node. */
  #arrow(c: CanvasRenderingContext2D, scene: Scene, link: SceneLink, paint?: Paint): void {
    const { k, x, y } = scene.view;
    const angle = Math.atan2(link.b.y - link.a.y, link.b.x - link.a.x);
    const gap = radiusOf(scene) + 3;
    const tipX = link.b.x * k + x - Math.cos(angle) * gap;
    const tipY = link.b.y * k + y - Math.sin(angle) * gap;
    if (tipX < 0 || tipY < 0 || tipX > scene.width || tipY > scene.height) return;
    c.beginPath();
    c.moveTo(tipX, tipY);
    c.lineTo(tipX - 8 * Math.cos(angle - 0.45), tipY - 8 * Math.sin(angle - 0.45));
    c.lineTo(tipX - 8 * Math.cos(angle + 0.45), tipY - 8 * Math.sin(angle + 0.45));
    c.fillStyle = paint ? (paint.rtt[link.step] ?? paint.muted) : c.strokeStyle;
    c.fill();
  }

  #nodes(c: CanvasRenderingContext2D, scene: Scene, paint: Paint): void {
    const { k, x, y } = scene.view;
    const at = (node: SceneNode): [number, number] => [node.at.x * k + x, node.at.y * k + y];
    const radius = radiusOf(scene);
    const special: SceneNode[] = [];
    const plain = { alive: [] as SceneNode[], other: [] as SceneNode[], dead: [] as SceneNode[] };
    for (const node of scene.nodes) {
      const { id, state } = node.row;
      if (node.self || id === scene.selected || id === scene.cursor || id === scene.hovered) special.push(node);
      else if (scene.path.has(id) || scene.found?.has(id)) special.push(node);
      plain[node.dead ? "dead" : state === "alive" ? "alive" : "other"].push(node);
    }
    const discs = (nodes: SceneNode[], fill: string, line: string, dashed = false): void => {
      c.beginPath();
      for (const node of nodes) {
        const [sx, sy] = at(node);
        if (sx < -20 || sy < -20 || sx > scene.width + 20 || sy > scene.height + 20) continue;
        const r = radiusOf(scene, node.self);
        c.moveTo(sx + r, sy);
        c.arc(sx, sy, r, 0, TAU);
      }
      c.fillStyle = fill;
      c.fill();
      c.setLineDash(dashed ? [3, 3] : []);
      c.lineWidth = 1.5;
      c.strokeStyle = line;
      c.stroke();
      c.setLineDash([]);
    };
    c.globalAlpha = scene.found ? 0.35 : 1;
    discs(plain.dead, paint.back, paint.dead, true);
    discs(plain.other, paint.node, paint.suspect);
    discs(plain.alive, paint.node, paint.nodeLine);
    c.globalAlpha = 1;
    for (const node of special) {
      const { id } = node.row;
      if (node.self) discs([node], paint.me, paint.nodeLine);
      else discs([node], node.dead ? paint.back : paint.node, paint.text, node.dead);
      const [sx, sy] = at(node);
      c.beginPath();
      c.arc(sx, sy, radiusOf(scene, node.self) + 4, 0, TAU);
      c.lineWidth = 2.5;
      c.strokeStyle = scene.found?.has(id) ? paint.found : paint.accent;
      if (!node.self || id === scene.selected || id === scene.cursor) c.stroke();
    }
    this.#labels(c, scene, paint, special, radius);
  }

  /** As many names as have room; those that matter first. */
  #labels(c: CanvasRenderingContext2D, scene: Scene, paint: Paint, special: SceneNode[], radius: number): void {
    const { k, x, y } = scene.view;
    const room = new Room();
    c.font = "600 12px system-ui, sans-serif";
    c.textAlign = "center";
    c.lineJoin = "round";
    const write = (node: SceneNode, always: boolean): void => {
      const [sx, sy] = [node.at.x * k + x, node.at.y * k + y + radius + 13];
      if (sx < 0 || sy < 0 || sx > scene.width || sy > scene.height) return;
      const words = node.dead ? `${node.name} (${node.row.state})` : node.name;
      if (!room.take(sx, sy - 4, words.length * 7, 15) && !always) return;
      c.lineWidth = 3;
      c.strokeStyle = paint.back;
      c.strokeText(words, sx, sy);
      c.fillStyle = node.dead ? paint.muted : paint.text;
      c.fillText(words, sx, sy);
    };
    for (const node of special) write(node, room.size < 60);
    if (k < 0.75 && scene.nodes.length > 60) return;
    for (const node of scene.nodes) {
      if (room.size > LABELS_MAX) return;
      write(node, false);
    }
  }
}
