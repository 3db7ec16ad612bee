// Draws a large network on a canvas: links on a ground that is kept, nodes and names above it.

import { radiusOf, isHot, Room, type Drawing, type Scene, type SceneLink, type SceneNode } from "./scene";
import { paintOf, type Paint } from "./colours";
import { contextOf, Ground, resize, stroke } from "./ground";

const LABELS_MAX = 250;
const TAU = Math.PI * 2;

export class CanvasDrawing implements Drawing {
  readonly element = document.createElement("canvas");
  #context: CanvasRenderingContext2D;
  #paint: Paint | null = null;
  #ground = new Ground();
  #later = 0;

  /** `again` draws once more: while a view moves, the links are shown as they were and drawn anew afterwards. */
  constructor(readonly again: () => void) {
    this.element.className = "picture-canvas";
    this.#context = contextOf(this.element);
  }

  clear(): void {
    this.#paint = null;
    this.#ground.drop();
  }

  draw(scene: Scene, _rows: boolean): void {
    this.#paint ??= paintOf(this.element.parentElement ?? document.body);
    const paint = this.#paint;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    resize(this.element, scene.width * ratio, scene.height * ratio);
    const c = this.#context;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, scene.width, scene.height);
    const marked = scene.selected !== "" || scene.hovered !== "" || scene.path.size > 0;
    const wait = this.#ground.draw(c, scene, paint, ratio, marked ? 0.3 : 1);
    if (wait > 0) this.#later ||= setTimeout(() => ((this.#later = 0), this.again()), wait) as unknown as number;
    if (marked) this.#hot(c, scene, paint);
    else if (scene.view.k > 1.6) for (const link of scene.links) this.#arrow(c, scene, link, paint.rtt[link.step] ?? paint.muted);
    this.#nodes(c, scene, paint);
  }

  #hot(c: CanvasRenderingContext2D, scene: Scene, paint: Paint): void {
    for (const link of scene.links) {
      if (!isHot(scene, link)) continue;
      const onPath = scene.path.has(link.key);
      const colour = onPath ? paint.accent : (paint.rtt[link.step] ?? paint.muted);
      c.lineWidth = onPath ? 4 : 1.8;
      stroke(c, scene.view, [link], colour);
      this.#arrow(c, scene, link, colour);
    }
  }

  /** Who was dialled: a tip before that node. */
  #arrow(c: CanvasRenderingContext2D, scene: Scene, link: SceneLink, colour: string): void {
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
    c.fillStyle = colour;
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
    if (k < 0.75 || scene.found) return;
    for (const node of scene.nodes) {
      if (room.size > LABELS_MAX) return;
      write(node, false);
    }
  }
}
