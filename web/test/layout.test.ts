import { describe, expect, it } from "vitest";
import { Layout } from "../src/network/layout";
import { stepOf, UNMEASURED } from "../src/network/colours";
import { reduce, EMPTY, type Event, type State } from "../src/store";
import { gone, idOf, link, node } from "./some";

const mesh = (n: number): Event[] => {
  const events: Event[] = [];
  for (let a = 1; a <= n; a += 1) {
    events.push(node(a));
    for (let b = 1; b < a; b += 1) events.push(link(a, b));
  }
  return events;
};

function settled(state: State, layout = new Layout()): Layout {
  layout.sync(state.nodes, state.links);
  for (let n = 0; n < 2000 && layout.step(1000); n += 1);
  expect(layout.moving).toBe(false);
  return layout;
}

const placesOf = (layout: Layout): Map<string, [number, number]> =>
  new Map([...layout.places].map(([id, { x, y }]) => [id, [x, y]]));

describe("places", () => {
  const five = reduce(EMPTY, mesh(5));

  it("are found, apart from each other, and then the layout rests", () => {
    const places = [...settled(five).places.values()];
    for (const one of places)
      for (const other of places)
        if (one !== other) expect(Math.hypot(one.x - other.x, one.y - other.y)).toBeGreaterThan(80);
  });

  it("are the same each time", () => {
    expect(placesOf(settled(five))).toEqual(placesOf(settled(five)));
  });

  it("stay exactly when a node fails, a link goes, a round trip changes, or a node is gone", () => {
    const layout = settled(five);
    const before = placesOf(layout);
    const changes = [[node(3, "failed")], [gone({ link: { from: idOf(3), to: idOf(1) } })], [link(5, 1, 99_999)], [gone({ node: idOf(3) })]];
    let state = five;
    for (const change of changes) {
      state = reduce(state, change);
      layout.sync(state.nodes, state.links);
      expect(layout.moving).toBe(false);
    }
    before.delete(idOf(3));
    expect(placesOf(layout)).toEqual(before);
  });

  it("are remembered for who comes back", () => {
    const layout = settled(five);
    const before = placesOf(layout);
    const away = reduce(five, [gone({ node: idOf(2) })]);
    layout.sync(away.nodes, away.links);
    layout.sync(five.nodes, five.links);
    expect(placesOf(layout)).toEqual(before);
    expect(layout.moving).toBe(false);
  });

  it("of newcomers are near their neighbours, and the others do not move", () => {
    const twenty = reduce(EMPTY, mesh(20));
    const layout = settled(twenty);
    const before = placesOf(layout);
    settled(reduce(twenty, [node(21), link(21, 1), link(21, 2)]), layout);
    const after = placesOf(layout);
    const fresh = after.get(idOf(21)) ?? [Infinity, 0];
    after.delete(idOf(21));
    expect(after).toEqual(before);
    const near = before.get(idOf(1)) ?? [0, 0];
    expect(Math.hypot(fresh[0] - near[0], fresh[1] - near[1])).toBeLessThan(400);
  });

  it("are found one after the other as a network begins", () => {
    const layout = new Layout();
    let state = EMPTY;
    for (let n = 1; n <= 5; n += 1) {
      state = reduce(state, [node(n), ...Array.from({ length: n - 1 }, (_, other) => link(n, other + 1))]);
      settled(state, layout);
    }
    const places = [...layout.places.values()];
    for (const one of places)
      for (const other of places)
        if (one !== other) expect(Math.hypot(one.x - other.x, one.y - other.y)).toBeGreaterThan(80);
  });

  it("are found anew for all when a person asks", () => {
    const layout = settled(five);
    layout.put(idOf(4), 1000, 2000);
    layout.anew();
    settled(five, layout);
    expect(layout.places.get(idOf(4))?.y).toBeLessThan(1000);
  });

  it("where a person put a node stay there", () => {
    const layout = settled(five);
    layout.put(idOf(4), 1000, 2000);
    settled(reduce(five, [node(6), link(6, 4)]), layout);
    expect(layout.places.get(idOf(4))).toMatchObject({ x: 1000, y: 2000 });
  });

  it("of a thousand nodes are found in bounded work", () => {
    const events: Event[] = [];
    for (let n = 1; n <= 1000; n += 1) {
      events.push(node(n));
      for (let k = 1; k <= 8; k += 1) events.push(link(n, ((n * (k + 6)) % 1000) + 1));
    }
    const layout = settled(reduce(EMPTY, events));
    for (const { x, y } of layout.places.values()) expect(Number.isFinite(x) && Number.isFinite(y)).toBe(true);
  });
});

describe("colours of round trips", () => {
  it("go in steps, and what is not measured has its own", () => {
    expect([1, 999, 1000, 10_000, 50_000, 150_000, 4e9].map(stepOf)).toEqual([0, 0, 1, 2, 3, 4, 4]);
    expect(stepOf(0)).toBe(UNMEASURED);
  });
});
