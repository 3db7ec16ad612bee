// Moving from node to node with the arrow keys.

import type { Scene, SceneNode } from "./scene";

export type Direction = "left" | "right" | "up" | "down";

const AXES: Record<Direction, [number, number]> = {
  left: [-1, 0],
  right: [1, 0],
  up: [0, -1],
  down: [0, 1],
};

/** The nearest node that lies in a direction; this node to begin with. */
export function neighbourTo(scene: Scene, direction: Direction): SceneNode | null {
  const from = scene.nodes.find((node) => node.row.id === scene.cursor);
  if (!from) return scene.nodes.find((node) => node.self) ?? scene.nodes[0] ?? null;
  const [ax, ay] = AXES[direction];
  let best: SceneNode | null = null;
  let least = Infinity;
  for (const node of scene.nodes) {
    const [dx, dy] = [node.at.x - from.at.x, node.at.y - from.at.y];
    const along = dx * ax + dy * ay;
    const aside = Math.abs(dx * ay) + Math.abs(dy * ax);
    if (node === from || along <= 0) continue;
    const cost = along + aside * 2;
    if (cost < least) [best, least] = [node, cost];
  }
  return best;
}
