// Where nodes are. A node that has a place keeps it when others come and go; only newcomers look for one. (While
// there are only a few, or most are new, the others make some room.)

import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type Force,
  type Simulation,
  type SimulationLinkDatum,
  type SimulationNodeDatum,
} from "d3-force";
import type { LinkRow, NodeRow } from "../shapes";

export interface Place extends SimulationNodeDatum {
  id: string;
  x: number;
  y: number;
  /** Where it settled last; newcomers have not. */
  home: { x: number; y: number } | null;
  /** A person put it there. */
  put: boolean;
}

type Tie = SimulationLinkDatum<Place>;

const REMEMBERED_MAX = 4096;
const ALPHA_MIN = 0.01;
const LATE_ALPHA = 0.08;
/** The golden angle: neighbours in order get far directions. */
const TURN = Math.PI * (3 - Math.sqrt(5));

export class Layout {
  readonly places = new Map<string, Place>();
  /** Places of nodes that are gone, in case they come back. */
  #remembered = new Map<string, { x: number; y: number }>();
  #simulation: Simulation<Place, Tie>;
  #links: ReadonlyMap<string, LinkRow> = new Map();
  #moving = false;
  /** What keeps many nodes from covering each other: dear, and of use only once they are about in place. */
  #late: Force<Place, Tie> | null = null;

  constructor() {
    this.#simulation = forceSimulation<Place, Tie>([]).alphaMin(ALPHA_MIN).stop();
  }

  get moving(): boolean {
    return this.#moving;
  }

  /** Takes in who is there. `links` matter only while somebody looks for a place. */
  sync(nodes: ReadonlyMap<string, NodeRow>, links: ReadonlyMap<string, LinkRow>): void {
    for (const [id, place] of this.places) {
      if (nodes.has(id)) continue;
      this.places.delete(id);
      this.#remember(id, place);
    }
    const first = this.places.size === 0;
    const fresh = [...nodes.keys()].filter((id) => !this.places.has(id)).sort();
    const relinked = this.#moving && links !== this.#links;
    this.#links = links;
    if (fresh.length === 0 && !relinked) return;
    let searching = relinked;
    const ties = neighbours(links);
    fresh.forEach((id, index) => {
      const back = this.#remembered.get(id);
      this.#remembered.delete(id);
      if (!back) searching = true;
      const at = back ?? this.#guess(id, ties.get(id) ?? [], index, first);
      this.places.set(id, { id, ...at, home: back ? { ...back } : null, put: false });
    });
    if (fresh.length > this.places.size / 2) for (const place of this.places.values()) place.home = null;
    if (searching) this.#search(first ? 1 : relinked && !fresh.length ? 0.3 : 0.6);
    if (first) this.#run(250, 240);
  }

  /** All look for a place again, also those that a person put somewhere. */
  anew(): void {
    for (const place of this.places.values()) Object.assign(place, { home: null, fx: null, fy: null, put: false });
    this.#search(1);
  }

  /** Moves on for at most `ms` milliseconds; false once everything is settled. */
  step(ms: number): boolean {
    if (this.#moving) this.#run(ms, ms > 10 ? 1000 : 3);
    return this.#moving;
  }

  /** A person puts a node somewhere: there it stays. */
  put(id: string, x: number, y: number): void {
    const place = this.places.get(id);
    if (!place) return;
    place.x = place.fx = x;
    place.y = place.fy = y;
    place.home = { x, y };
    place.put = true;
  }

  #remember(id: string, { x, y }: Place): void {
    this.#remembered.set(id, { x, y });
    const oldest = this.#remembered.keys().next().value;
    if (this.#remembered.size > REMEMBERED_MAX && oldest) this.#remembered.delete(oldest);
  }

  /** A first place: outside of the middle of those it is linked with, or on a spiral. */
  #guess(id: string, tied: string[], index: number, first: boolean): { x: number; y: number } {
    const reach = reachOf(this.places.size);
    if (first) {
      const radius = reach * 0.6 * Math.sqrt(index + 0.5);
      return { x: radius * Math.cos(index * TURN), y: radius * Math.sin(index * TURN) };
    }
    const near = tied.map((other) => this.places.get(other)).filter((place) => place !== undefined);
    const around = near.length ? near : [...this.places.values()].slice(0, 1);
    const x = around.reduce((sum, place) => sum + place.x, 0) / around.length;
    const y = around.reduce((sum, place) => sum + place.y, 0) / around.length;
    const away = Math.hypot(x, y) > reach / 2 ? Math.atan2(y, x) : parseInt(id.slice(0, 4), 16);
    const angle = away + (index % 5) * 0.4;
    return { x: x + reach * Math.cos(angle), y: y + reach * Math.sin(angle) };
  }

  #search(alpha: number): void {
    const places = [...this.places.values()];
    const reach = reachOf(places.length);
    const few = places.length <= 12;
    const many = places.length > 300;
    this.#late = many ? forceCollide<Place>(reach * 0.34) : null;
    for (const place of places) {
      const stays = place.home !== null && (place.put || !few);
      [place.fx, place.fy] = stays ? [place.x, place.y] : [null, null];
    }
    const ties: Tie[] = [];
    for (const { from, to } of this.#links.values()) {
      if (this.places.has(from) && this.places.has(to)) ties.push({ source: from, target: to });
    }
    this.#simulation
      .nodes(places)
      .force("ties", forceLink<Place, Tie>(ties).id((place) => place.id).distance(reach))
      .force("apart", forceManyBody<Place>().strength(-reach * 4).distanceMax(reach * 8).theta(many ? 1.1 : 0.9))
      .force("room", many ? null : forceCollide<Place>(reach * 0.38))
      .force("x", forceX<Place>(0).strength(0.06))
      .force("y", forceY<Place>(0).strength(0.07))
      .force("home", homing(0.1))
      .alphaDecay(many ? 0.08 : 0.035)
      .alpha(alpha);
    this.#moving = true;
  }

  #run(ms: number, ticks: number): void {
    const until = performance.now() + ms;
    for (let n = 0; n < ticks && performance.now() < until; n += 1) {
      if (this.#late && this.#simulation.alpha() < LATE_ALPHA) {
        this.#simulation.force("room", this.#late);
        this.#late = null;
      }
      this.#simulation.tick();
      if (this.#simulation.alpha() < ALPHA_MIN) return this.#settle();
    }
  }

  #settle(): void {
    this.#moving = false;
    for (const place of this.places.values()) place.home = { x: place.x, y: place.y };
  }
}

/** About how far linked nodes are from each other. */
const reachOf = (nodes: number): number =>
  nodes <= 12 ? 210 : nodes <= 50 ? 150 : nodes <= 200 ? 100 : 70;

/** Holds settled nodes near where they were. */
function homing(strength: number) {
  let places: Place[] = [];
  const force = (alpha: number): void => {
    for (const place of places) {
      if (!place.home) continue;
      place.vx = (place.vx ?? 0) + (place.home.x - place.x) * strength * alpha;
      place.vy = (place.vy ?? 0) + (place.home.y - place.y) * strength * alpha;
    }
  };
  force.initialize = (all: Place[]): void => {
    places = all;
  };
  return force;
}

function neighbours(links: ReadonlyMap<string, LinkRow>): Map<string, string[]> {
  const ties = new Map<string, string[]>();
  const add = (one: string, other: string): void => {
    const list = ties.get(one);
    if (list) list.push(other);
    else ties.set(one, [other]);
  };
  for (const { from, to } of links.values()) {
    add(from, to);
    add(to, from);
  }
  return ties;
}
