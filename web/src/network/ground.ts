// The links of a large network, drawn once and shown again until they are otherwise: thousands of lines take
// longer than a frame has time.

import { STEPS, type Paint } from "./colours";
import type { Scene, SceneLink } from "./scene";

type View = Scene["view"];

/** A view that moved is drawn anew once it has been still for so long. */
const STILL_MS = 140;
/** How much more than the screen is drawn at each side, as a part of it, so that moving a little shows no edge. */
const MARGIN = 0.2;

export class Ground {
  #canvas = document.createElement("canvas");
  #context = contextOf(this.#canvas);
  /** What is drawn on it; empty: nothing. */
  #drawn = "";
  #view: View = { x: 0, y: 0, k: 1 };
  #seen: View = { x: 0, y: 0, k: 1 };
  #movedAt = 0;
  #builtAt = 0;
  #cost = 0;

  drop(): void {
    this.#drawn = "";
  }

  /** Draws the links; after how many milliseconds they should be drawn again, or 0. */
  draw(c: CanvasRenderingContext2D, scene: Scene, paint: Paint, ratio: number, alpha: number): number {
    const now = performance.now();
    const { view } = scene;
    if (!same(view, this.#seen)) {
      this.#movedAt = now;
      this.#seen = view;
    }
    const wanted = `${scene.width} ${scene.height} ${ratio} ${scene.moves} ${steps(scene.links)}`;
    const stale = wanted !== this.#drawn || !same(view, this.#view);
    const due = Math.max(this.#movedAt + STILL_MS, this.#builtAt + this.#cost * 4);
    if (this.#drawn === "" || (stale && now >= due)) {
      this.#build(scene, paint, ratio);
      this.#drawn = wanted;
      this.#builtAt = performance.now();
      this.#cost = this.#builtAt - now;
    }
    const scale = view.k / this.#view.k;
    const [left, top] = [scene.width * MARGIN, scene.height * MARGIN];
    c.globalAlpha = alpha;
    c.drawImage(
      this.#canvas,
      view.x - (this.#view.x + left) * scale,
      view.y - (this.#view.y + top) * scale,
      (this.#canvas.width / ratio) * scale,
      (this.#canvas.height / ratio) * scale,
    );
    c.globalAlpha = 1;
    return stale && now < due ? Math.max(16, due - now) : 0;
  }

  #build(scene: Scene, paint: Paint, ratio: number): void {
    const [left, top] = [scene.width * MARGIN, scene.height * MARGIN];
    const [width, height] = [scene.width + 2 * left, scene.height + 2 * top];
    resize(this.#canvas, width * ratio, height * ratio);
    const c = this.#context;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    const { k, x, y } = (this.#view = scene.view);
    const view = { k, x: x + left, y: y + top };
    const by: SceneLink[][] = STEPS.map(() => []);
    for (const link of scene.links) {
      const { a, b } = link;
      const outside =
        Math.max(a.x, b.x) * k + view.x < 0 || Math.min(a.x, b.x) * k + view.x > width ||
        Math.max(a.y, b.y) * k + view.y < 0 || Math.min(a.y, b.y) * k + view.y > height;
      if (!outside) by[link.step]?.push(link);
    }
    c.lineWidth = 1;
    c.globalAlpha = Math.min(0.7, Math.max(0.17, 900 / scene.links.length));
    by.forEach((links, step) => stroke(c, view, links, paint.rtt[step] ?? paint.muted));
    c.globalAlpha = 1;
  }
}

const same = (one: View, other: View): boolean => one.x === other.x && one.y === other.y && one.k === other.k;

/** Changes when links or their colours do. */
function steps(links: readonly SceneLink[]): string {
  let sum = 0;
  for (const { step } of links) sum = (Math.imul(sum, 31) + step + 1) | 0;
  return `${links.length} ${sum}`;
}

export function stroke(c: CanvasRenderingContext2D, { k, x, y }: View, links: readonly SceneLink[], colour: string): void {
  if (links.length === 0) return;
  c.beginPath();
  for (const { a, b } of links) {
    c.moveTo(a.x * k + x, a.y * k + y);
    c.lineTo(b.x * k + x, b.y * k + y);
  }
  c.strokeStyle = colour;
  c.stroke();
}

export function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser draws nothing");
  return context;
}

export function resize(canvas: HTMLCanvasElement, width: number, height: number): void {
  const [w, h] = [Math.round(width), Math.round(height)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
}
