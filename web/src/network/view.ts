// What part of the network is shown: zoom, moving, fitting, and going somewhere.

import { select } from "d3-selection";
import { zoom, zoomIdentity, zoomTransform, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import type { Scene } from "./scene";

const GLIDE_MS = 260;
const SCALES: [number, number] = [0.05, 8];

/** No movement that is not needed, for who asked the system for that. */
export const still = matchMedia("(prefers-reduced-motion: reduce)");

export class View {
  /** A person moved the view; it is not fitted any more by itself. */
  touched = false;
  /** So many nodes there were when it was fitted. */
  fitted = 0;
  #zoom: ZoomBehavior<HTMLElement, unknown>;
  #glide = 0;
  /** How much of the left is covered by the card. */
  #covered = 0;

  /** `moved` is called when another part is shown; `mine` tells which events are for the view. */
  constructor(
    readonly box: HTMLElement,
    readonly scene: Scene,
    moved: () => void,
    mine: (event: Event) => boolean,
  ) {
    this.#zoom = zoom<HTMLElement, unknown>()
      .scaleExtent(SCALES)
      .filter((event: MouseEvent) => mine(event) && !event.button && (!event.ctrlKey || event.type === "wheel"))
      .on("zoom", (event) => {
        const { x, y, k } = event.transform as ZoomTransform;
        scene.view = { x, y, k };
        if (event.sourceEvent) {
          this.touched = true;
          cancelAnimationFrame(this.#glide);
        }
        moved();
      });
  }

  /** Hears mouse and touch; after whoever comes first. */
  listen(): void {
    select(this.box).call(this.#zoom).on("dblclick.zoom", null);
  }

  zoomBy(factor: number): void {
    this.touched = true;
    select(this.box).call(this.#zoom.scaleBy, factor);
  }

  centre(id: string): void {
    const { width, height, view, nodes } = this.scene;
    const at = nodes.find((node) => node.row.id === id)?.at;
    if (!at) return;
    const k = Math.max(view.k, nodes.length > 200 ? 1.2 : 0.8);
    this.touched = true;
    this.#go(zoomIdentity.translate((width + this.#covered) / 2 - at.x * k, height / 2 - at.y * k).scale(k));
  }

  /** So many pixels at the left are covered: what matters moves out of there. */
  cover(left: number): void {
    const { selected, view, width, nodes } = this.scene;
    const at = nodes.find((node) => node.row.id === selected)?.at;
    const moved = this.#covered !== left;
    this.#covered = left < width / 2 ? left : 0;
    if (!this.touched) {
      if (moved) this.fit();
    } else if (at && at.x * view.k + view.x < this.#covered + 30) this.centre(selected);
  }

  /** Shows all nodes. */
  fit(glide = true): void {
    const { nodes, width, height } = this.scene;
    this.touched = false;
    this.fitted = nodes.length;
    if (nodes.length === 0) return;
    const { left, right, top, bottom } = boundsOf(this.scene);
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

  /** Nobody gets lost: some of the network stays in reach. */
  bound(): void {
    const { width, height } = this.scene;
    const { left, right, top, bottom } = boundsOf(this.scene);
    const [x, y] = [width * 1.5 + right - left, height * 1.5 + bottom - top];
    this.#zoom.translateExtent([
      [left - x, top - y],
      [right + x, bottom + y],
    ]);
  }

  /** How high the legend reaches from the bottom. */
  #legend(): number {
    const legend = document.getElementById("legend");
    if (!legend) return 0;
    return Math.max(0, this.box.getBoundingClientRect().bottom - legend.getBoundingClientRect().top);
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
}

interface Bounds {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The smallest box, in the world's own measure, that all nodes lie in. */
export function boundsOf({ nodes }: Scene): Bounds {
  const bounds = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
  for (const { at } of nodes) {
    bounds.left = Math.min(bounds.left, at.x);
    bounds.right = Math.max(bounds.right, at.x);
    bounds.top = Math.min(bounds.top, at.y);
    bounds.bottom = Math.max(bounds.bottom, at.y);
  }
  return nodes.length ? bounds : { left: 0, right: 0, top: 0, bottom: 0 };
}
